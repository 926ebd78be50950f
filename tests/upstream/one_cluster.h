// One upstream of three endpoints in turn, and tries at it that come to what a test says.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proxy/base/log.h"
#include "proxy/upstream/cluster_state.h"

namespace outrigger::upstream {

using namespace std::chrono_literals;
using Addresses = std::set<std::string>;
using Endpoints = std::vector<WantedEndpoint>;

inline const TimePoint t0{1h};
inline const Endpoints kThree = {
    {"10.0.0.1:80", "10.0.0.1:80"}, {"10.0.0.2:80", "pay:80"}, {"10.0.0.3:80", "10.0.0.3:80"}};

inline config::Upstream settings(std::optional<config::OutlierDetection> detection = {}) {
  config::Upstream made{.name = "u", .outlier_detection = detection};
  made.load_balancer.policy = config::LoadBalancerPolicy::RoundRobin;
  return made;
}

// It never waits here.
struct Try : Waiter {
  void run() override {}
};

struct OneCluster {
  explicit OneCluster(const config::Upstream& of, const Endpoints& endpoints = kThree)
      : state(of, 1) {
    log::configure(log::Level::Error, log::Format::Text);
    state.set_endpoints(endpoints, t0);
  }

  // One try that comes to what `judge(address)` says; its endpoint, or "" where it was refused.
  struct End {
    policy::TryEnd end;
    Duration took = 1ms;
  };
  template <class Judge>
  std::string attempt_judged(const Judge& judge, TimePoint now) {
    Try waiter;
    if (state.admit(waiter, false, now) != ClusterState::Admission::Granted) return "";
    const std::string address = waiter.ticket.endpoint->address;
    const End came_to = judge(address);
    state.settle(waiter.ticket, came_to.end, came_to.took, now);
    state.finish(waiter.ticket, came_to.took, false, now);
    return address;
  }
  std::string attempt(const policy::TryEnd& end = {.status = 200}, TimePoint now = t0) {
    return attempt_judged([&](const std::string&) { return End{end}; }, now);
  }
  std::set<std::string> asked() {
    std::set<std::string> all;
    for (int i = 0; i < 12; ++i) all.insert(attempt());
    return all;
  }
  exchange::EndpointLive endpoint(const std::string& address, TimePoint now = t0) {
    for (const auto& each : state.live(now).endpoints) {
      if (each.address == address) return each;
    }
    return {};
  }

  ClusterState state;
};

}  // namespace outrigger::upstream
