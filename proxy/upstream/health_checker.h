// Asks the endpoints of one upstream whether they are well, and tells the upstream's state.
//
// Runs on the control loop. It follows the set of endpoints: what stays keeps what is known of it,
// also over a reload.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/base/log.h"
#include "proxy/base/random.h"
#include "proxy/net/loop.h"
#include "proxy/net/timer.h"
#include "proxy/policy/health_check.h"
#include "proxy/upstream/cluster_state.h"
#include "proxy/upstream/health_probe.h"

namespace outrigger::upstream {

class HealthChecker final : private net::TimerEvents, private HealthProbeEvents {
 public:
  // Of one upstream. Further ones that are due wait for one to end.
  static constexpr std::size_t kMaxChecksAtOnce = 64;

  // `settings.health_check` is there. `changed` is called after an endpoint's health has changed.
  HealthChecker(net::Loop& loop, std::shared_ptr<ClusterState> state,
                const config::Upstream& settings, std::uint64_t seed,
                std::function<void()> changed);
  ~HealthChecker() override;

  // Checks under way are given up and made anew.
  void configure(const config::Upstream& settings);

 private:
  struct Checked {
    ClusterState::EndpointInSlot endpoint;
    net::Address address;  // that is asked
    std::string request;   // empty: opening a connection is enough
    policy::HealthCheck check;
    std::unique_ptr<HealthProbe> probe;
  };

  void on_timer(net::Timer& timer) override;
  void on_checked(HealthProbe& probe, const policy::CheckEnd& end) override;

  void follow_endpoints();
  void begin_anew(Checked& checked);
  void address_anew(Checked& checked) const;
  void begin_what_is_due();
  bool has_traffic();
  void begin(Checked& checked);
  void report_health(const Checked& checked) const;

  net::Loop& loop_;
  std::shared_ptr<ClusterState> state_;
  const std::string upstream_;
  config::HealthCheck settings_;
  Random random_;
  std::function<void()> changed_;
  net::Timer timer_;
  std::vector<std::unique_ptr<Checked>> checked_;
  std::size_t under_way_ = 0;
  log::Seldom complaints_;
  std::uint64_t tries_seen_ = 0;  // of the upstream
  TimePoint quiet_from_{};        // once it has been without traffic for no_traffic_interval
};

}  // namespace outrigger::upstream
