// One active check of one endpoint: a connection of its own, opened, asked and closed.
//
// Never a pooled connection: a check is to find out whether new ones are still taken. Of an HTTP
// answer only the head is looked at. Destroying it is giving up.
#pragma once

#include <memory>
#include <string>

#include "config/model.h"
#include "proxy/http/head_scanner.h"
#include "proxy/net/address.h"
#include "proxy/net/connector.h"
#include "proxy/net/loop.h"
#include "proxy/net/stream.h"
#include "proxy/net/timer.h"
#include "proxy/policy/health_check.h"

namespace outrigger::upstream {

class HealthProbe;

class HealthProbeEvents {
 public:
  virtual ~HealthProbeEvents() = default;
  // Once; the probe may be destroyed here.
  virtual void on_checked(HealthProbe& probe, const policy::CheckEnd& end) = 0;
};

// The request of a check. `configured`: the endpoint as the user wrote it, which is the Host unless
// the settings name one.
std::string health_request(const config::HttpHealthCheck& settings, const net::Address& configured);

class HealthProbe final : private net::ConnectorEvents,
                          private net::StreamEvents,
                          private net::TimerEvents {
 public:
  static constexpr std::size_t kMaxHeadBytes = 16 * 1024;
  static constexpr std::size_t kMaxHeaders = 128;
  static constexpr int kMaxInformational = 8;
  // The answer's body is read and dropped for so long, lest the peer sees a reset.
  static constexpr Duration kLinger = std::chrono::seconds(1);

  // Starts; tells `events`, never from inside. `settings`, `request` (empty: opening a connection
  // is enough) and `events` outlive it.
  HealthProbe(net::Loop& loop, const net::Address& address, const config::HealthCheck& settings,
              const std::string& request, HealthProbeEvents& events);
  ~HealthProbe() override;

 private:
  void on_connected(std::unique_ptr<net::Stream> stream) override;
  void on_connect_failed(int uv_error) override;
  void on_read(std::string_view bytes) override;
  void on_eof() override;
  void on_error(int uv_error) override;
  void on_writable() override {}
  void on_timer(net::Timer& timer) override;

  void read_head();
  void judge(int status);
  void end(policy::CheckOutcome outcome, int status = 0);

  const config::HealthCheck& settings_;
  const std::string& request_;
  HealthProbeEvents& events_;
  net::Timer timer_;
  std::unique_ptr<net::Connector> connector_;
  std::unique_ptr<net::Stream> stream_;
  std::string head_;
  http::HeadScanner scanner_;
  int informational_ = 0;
};

}  // namespace outrigger::upstream
