// The demo's callers: keep-alive clients that ask for one path again and again, at a gentle rate.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "proxy/base/random.h"
#include "proxy/http/head_scanner.h"
#include "proxy/net/connector.h"
#include "proxy/net/loop.h"
#include "proxy/net/timer.h"

namespace outrigger::commands {

// What the callers of one path saw. Written by the playground's thread, read by any.
struct Seen {
  std::string path;
  std::atomic<std::uint64_t> good{0};
  std::atomic<std::uint64_t> failed{0};  // a 5xx, or none at all
};

class DemoCaller final : private net::ConnectorEvents,
                         private net::StreamEvents,
                         private net::TimerEvents {
 public:
  // `seen` outlives it. Asks about once in `pause`.
  DemoCaller(net::Loop& loop, const std::string& proxy, Seen& seen, Duration pause,
             std::uint64_t seed);
  ~DemoCaller() override;

 private:
  void on_connected(std::unique_ptr<net::Stream> stream) override;
  void on_connect_failed(int uv_error) override;
  void on_read(std::string_view bytes) override;
  void on_eof() override;
  void on_error(int uv_error) override;
  void on_writable() override {}
  void on_timer(net::Timer& timer) override;

  void ask();
  void rest();
  void lost();

  net::Loop& loop_;
  net::Address proxy_;
  Seen& seen_;
  Duration pause_;
  Random random_;
  net::Timer timer_;
  std::unique_ptr<net::Connector> connector_;
  std::unique_ptr<net::Stream> stream_;
  http::HeadScanner scanner_;
  std::string answer_;
  bool asking_ = false;
};

}  // namespace outrigger::commands
