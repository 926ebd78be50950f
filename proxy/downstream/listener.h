// One configured listener on one worker: its socket, its connections, its bounds.
//
// It stands as long as its name and address are configured, over reloads; a reload only gives it
// a new Scope, which requests that begin from then on use.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/base/log.h"
#include "proxy/downstream/connection.h"
#include "proxy/downstream/request.h"
#include "proxy/exchange/scope.h"
#include "proxy/net/listener.h"
#include "proxy/net/loop.h"

namespace outrigger::downstream {

// Counted on one worker, read at a scrape.
struct alignas(64) ListenerCounters {
  // `open`: shared with those of the other workers of the same listener.
  explicit ListenerCounters(std::shared_ptr<std::atomic<std::uint32_t>> open =
                                std::make_shared<std::atomic<std::uint32_t>>(0))
      : connections(std::move(open)) {}

  const std::shared_ptr<std::atomic<std::uint32_t>> connections;  // open on all workers
  std::atomic<std::uint32_t> requests{0};                         // under way
  std::atomic<std::uint64_t> bytes_in{0}, bytes_out{0};
  std::atomic<std::uint64_t> over_max_connections{0};  // limits.max_connections
  std::atomic<std::uint64_t> over_system{0};           // times that none could be accepted
  std::atomic<std::uint64_t> over_overload{0};         // overload.max_connections
  std::atomic<std::uint64_t> head_timeouts{0}, keepalive_timeouts{0};
};

// Of a counter that only one thread changes: without the lock on the bus.
template <class Count>
void bump(std::atomic<Count>& counter, std::type_identity_t<Count> by = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

// Of one listener.
using CountersByWorker = std::vector<std::shared_ptr<ListenerCounters>>;
CountersByWorker make_counters(std::uint32_t workers);
// What all workers have counted.
template <class Count>
auto sum(const CountersByWorker& counters, std::atomic<Count> ListenerCounters::*which) {
  Count total = 0;
  for (const auto& each : counters) total += ((*each).*which).load(std::memory_order_relaxed);
  return total;
}

// Connections of all listeners, against overload.max_connections.
struct ConnectionTotal {
  std::atomic<std::uint32_t> open{0};
  std::atomic<std::uint32_t> max{UINT32_MAX};
};

class Listener final : private net::ListenerEvents {
 public:
  // `counters` may be read by others and outlive it.
  Listener(net::Loop& loop, net::BoundSocket socket, Pools& pools, ConnectionTotal& total,
           std::shared_ptr<ListenerCounters> counters);
  ~Listener() override;

  void use(exchange::Scope& scope, const exchange::ListenerRoutes& routes);
  void start() { socket_.start(); }
  // Answers on kept-alive connections say `Connection: close` from now on.
  void set_closing_keep_alive(bool on);
  // Takes what waits in the backlog (answered `draining`), then closes the socket; connections
  // end with the request they have, or that comes within Connection::kLastCall.
  void stop_accepting();
  void close_all();
  bool accepting() const { return socket_.open(); }
  std::uint32_t open_connections() const { return open_; }
  const std::string& address() const { return socket_.address(); }
  // Calls `tell` with the id of each one's request, empty where there is none, until it is false.
  template <class Tell>
  void each_connection(Tell& tell) const {
    for (const Connection* each = first_; each && tell(each->request_id()); each = each->next) {
    }
  }

  // For its connections.
  net::Loop& loop() { return loop_; }
  Pools& pools() { return pools_; }
  exchange::Scope& scope() { return *scope_; }
  const exchange::ListenerRoutes& routes() const { return *routes_; }
  const config::Listener& settings() const { return *routes_->config; }
  ListenerCounters& counters() { return *counters_; }
  config::LocalReplyFormat local_reply_format() const {
    return scope_->snapshot->config->local_replies.format;
  }
  bool closing_keep_alive() const { return closing_keep_alive_; }
  // The time as a Date field has it; valid until the next call.
  std::string_view date();
  // Counted as a request under way as long as somebody holds it.
  std::shared_ptr<void> count_request();
  void remove(Connection& connection);

 private:
  void on_accept(std::unique_ptr<net::Stream> stream) override;
  void on_accept_error(int uv_error) override;
  bool count_connection();
  void discount_connection();
  void refuse(net::Stream& stream);

  net::Loop& loop_;
  Pools& pools_;
  ConnectionTotal& total_;
  exchange::Scope* scope_ = nullptr;
  const exchange::ListenerRoutes* routes_ = nullptr;
  std::shared_ptr<ListenerCounters> counters_;
  Connection* first_ = nullptr;  // intrusive list of the open ones, owned
  std::uint32_t open_ = 0;       // on this worker
  std::int64_t date_at_ = -1;    // what date_text_ says, in Unix seconds
  char date_text_[30];
  bool closing_keep_alive_ = false;
  bool draining_ = false;  // in the last sweep: what is accepted now is refused
  log::Seldom accept_complaints_;
  net::Listener socket_;
};

}  // namespace outrigger::downstream
