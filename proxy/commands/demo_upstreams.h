// The demo's upstreams: small HTTP/1.1 servers on loopback that fail in known ways.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "proxy/base/random.h"
#include "proxy/net/listener.h"
#include "proxy/net/loop.h"

namespace outrigger::commands {

// How an upstream behaves.
struct Temper {
  double error_share = 0;   // answered 503
  double reset_share = 0;   // closed without an answer
  double slow_share = 0;    // answered after 400 to 1500 ms
  Duration outage_every{};  // 0: never; then closes everything …
  Duration outage_for{};    // … for so long
};

class DemoUpstream final : private net::ListenerEvents {
 public:
  static constexpr std::size_t kMaxConnections = 256;

  DemoUpstream(net::Loop& loop, Temper temper, std::uint64_t seed);
  ~DemoUpstream() override;

  const std::string& address() const { return listener_->address(); }

 private:
  class Connection;
  enum class Doing : std::uint8_t { Answer, Fail, Reset, Dawdle };

  void on_accept(std::unique_ptr<net::Stream> stream) override;
  void on_accept_error(int) override {}
  Doing next();
  bool in_outage();
  void remove(Connection& connection);

  net::Loop& loop_;
  Temper temper_;
  Random random_;
  TimePoint started_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::unique_ptr<net::Listener> listener_;
};

}  // namespace outrigger::commands
