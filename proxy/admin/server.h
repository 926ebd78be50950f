// The admin and metrics sockets: small HTTP/1.1, one request a connection, on the control loop, so
// that a scrape never stands in the way of a request.
//
// What may be asked, by whom, is rules.h; what is shown is pages.h and Control.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/model.h"
#include "proxy/admin/paths.h"
#include "proxy/admin/rules.h"
#include "proxy/net/listener.h"
#include "proxy/net/loop.h"
#include "proxy/policy/circuit_breaker.h"

namespace outrigger::admin {

struct Reply {
  int status = 200;
  std::string body;
  std::string_view content_type = "application/json";
  std::string_view allow = {};  // methods, of a 405
};

Reply text_reply(int status, std::string body);

// What the daemon lets the admin interface see and do. Called on the control loop.
class Control {
 public:
  enum class Scope : std::uint8_t { Route, Upstream };

  virtual ~Control() = default;
  virtual bool alive_and_ready() = 0;
  virtual std::string config_json() = 0;
  virtual std::string routes_json() = 0;
  virtual std::string upstreams_json() = 0;
  virtual std::string events_json(std::uint64_t since) = 0;
  virtual std::string metrics_text() = 0;
  // False when the new configuration is refused; `report` says why. The running one stays.
  virtual bool reload(std::string& report) = 0;
  virtual void drain() = 0;
  virtual bool cancel_drain() = 0;
  virtual void quit() = 0;
  // By hand. Names that do not exist are answered 404, with those that do.
  virtual Reply eject(const std::string& upstream, const std::string& endpoint) = 0;
  virtual Reply restore(const std::string& upstream, const std::string& endpoint) = 0;
  virtual Reply set_breaker(Scope scope, const std::string& name,
                            policy::CircuitByHand by_hand) = 0;
  virtual Reply set_fault(const std::string& route, std::string_view body) = 0;
  virtual Reply remove_fault(const std::string& route) = 0;
  virtual Reply set_log_level(const std::string& level) = 0;
};

class Server final : private net::ListenerEvents {
 public:
  static constexpr std::size_t kMaxConnections = 64;
  static constexpr std::size_t kMaxHeadBytes = 16 * 1024;
  static constexpr std::size_t kMaxBodyBytes = 16 * 1024;
  static constexpr Duration kTimeout = std::chrono::seconds(10);

  enum class Serves : std::uint8_t { Everything, MetricsOnly };

  // `control` outlives it.
  Server(net::Loop& loop, net::BoundSocket socket, Rules rules, Control& control, Serves serves);
  ~Server() override;
  const std::string& address() const { return socket_.address(); }
  // For requests judged from now on.
  void set_rules(Rules rules) { rules_ = std::move(rules); }

 private:
  class Connection;

  void on_accept(std::unique_ptr<net::Stream> stream) override;
  void on_accept_error(int) override {}
  Reply answer(const http::RequestHead& head, std::string_view body);
  Reply show(std::string_view path, std::string_view query);
  Reply show_events(std::string_view query);
  Reply change(std::string_view method, const Segments& path, std::string_view body);
  Reply reload();
  Reply cancel_drain();
  void remove(Connection& connection);

  net::Loop& loop_;
  Rules rules_;
  Control& control_;
  Serves serves_;
  std::vector<std::unique_ptr<Connection>> connections_;
  net::Listener socket_;
};

}  // namespace outrigger::admin
