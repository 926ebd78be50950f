#include <map>
#include <optional>

#include "proxy/simulation/virtual_time.h"
#include "proxy/upstream/cluster_state.h"
#include "tests/support/catch.h"

namespace outrigger::upstream {
namespace {

using namespace std::chrono_literals;
using Admission = ClusterState::Admission;
using exchange::FailureKind;

constexpr TimePoint t0{1s};

config::Upstream checked_upstream() {
  config::Upstream settings{.name = "u"};
  settings.load_balancer.panic_threshold_percent.reset();
  settings.health_check.emplace().tcp.emplace();
  return settings;
}

struct Try final : Waiter {
  void run() override { ran = true; }
  bool ran = false;
};

// An upstream of endpoints "10.0.0.1:80", …
struct Upstream {
  explicit Upstream(std::size_t endpoints, const config::Upstream& with = checked_upstream())
      : settings(with), state(with, 1) {
    resolve(endpoints);
  }

  void resolve(std::size_t endpoints) {
    std::vector<WantedEndpoint> wanted;
    for (std::size_t i = 1; i <= endpoints; ++i) {
      const auto address = "10.0.0." + std::to_string(i) + ":80";
      wanted.push_back({address, address, 1});
    }
    state.set_endpoints(wanted, t0);
  }
  void set_healthy(std::uint32_t slot, bool healthy) {
    const policy::CheckEnd end{.outcome = healthy ? policy::CheckOutcome::Success
                                                  : policy::CheckOutcome::Timeout};
    state.set_health(state.endpoints().at(slot),
                     {.healthy = healthy, .last = end, .consecutive = 3, .checked_at = t0});
  }
  Admission admit(Try& one) {
    one.scheduler = &time;
    return state.admit(one, true, t0);
  }
  void finish(Try& one) {
    state.settle(one.ticket, {.status = 200}, 1ms, t0);
    state.finish(one.ticket, 1ms, false, t0);
  }
  std::map<std::uint32_t, int> shares(int tries) {
    std::map<std::uint32_t, int> found;
    for (int i = 0; i < tries; ++i) {
      Try one;
      REQUIRE(admit(one) == Admission::Granted);
      ++found[one.ticket.slot];
      finish(one);
    }
    return found;
  }

  simulation::VirtualTime time;
  config::Upstream settings;
  ClusterState state;
};

TEST_CASE("an unhealthy endpoint gets no try until it is healthy again") {
  Upstream upstream(3);
  upstream.set_healthy(1, false);
  CHECK(upstream.shares(300).count(1) == 0);
  upstream.set_healthy(1, true);
  CHECK(upstream.shares(300).count(1) == 1);
}

TEST_CASE("where no endpoint is healthy tries are refused, not queued") {
  auto settings = checked_upstream();
  settings.limits.max_requests_per_endpoint = 1;
  Upstream upstream(1, settings);
  Try busy, refused;
  REQUIRE(upstream.admit(busy) == Admission::Granted);  // at its limit, too
  upstream.set_healthy(0, false);
  CHECK(upstream.admit(refused) == Admission::Refused);
  CHECK(refused.refusal.kind == FailureKind::NoHealthyUpstream);
  CHECK_FALSE(upstream.state.usable(t0));
  upstream.finish(busy);
  CHECK(upstream.admit(refused) == Admission::Refused);
  upstream.set_healthy(0, true);
  CHECK(upstream.state.usable(t0));
  CHECK(upstream.shares(1).count(0) == 1);
}

TEST_CASE("in panic tries go to the unhealthy, which makes nobody ready") {
  auto settings = checked_upstream();
  settings.load_balancer.panic_threshold_percent = 25;
  Upstream upstream(2, settings);
  upstream.set_healthy(0, false);  // half are healthy still
  CHECK(upstream.shares(50).count(0) == 0);
  upstream.set_healthy(1, false);
  CHECK(upstream.shares(50).size() == 2);
  CHECK_FALSE(upstream.state.usable(t0));
}

TEST_CASE("panic is told once when it begins and once when it ends") {
  auto settings = checked_upstream();
  settings.load_balancer.panic_threshold_percent = 25;
  exchange::Events events([] { return std::int64_t{0}; });
  ClusterState state(settings, 1, &events);
  state.set_endpoints(std::vector<WantedEndpoint>{{"10.0.0.1:80", "10.0.0.1:80"}}, t0);
  const auto report_when = [&](bool healthy) {
    state.set_health(
        state.endpoints().at(0),
        {.healthy = healthy, .last = policy::CheckEnd{.outcome = policy::CheckOutcome::Success}});
    for (int i = 0; i < 2; ++i) state.report_panic();
  };
  for (const bool healthy : {true, false, true}) report_when(healthy);
  std::vector<std::string> told;
  for (const auto& event : events.since(0)) {
    if (event.kind == exchange::EventKind::Panic) told.emplace_back(event.to);
  }
  CHECK(told == std::vector<std::string>{"begun", "ended"});
}

TEST_CASE("who waits is served by an endpoint that becomes healthy") {
  auto settings = checked_upstream();
  settings.limits.max_requests_per_endpoint = 1;
  Upstream upstream(2, settings);
  upstream.set_healthy(1, false);
  Try first, waiting;
  REQUIRE(upstream.admit(first) == Admission::Granted);
  REQUIRE(upstream.admit(waiting) == Admission::Queued);
  upstream.set_healthy(1, true);
  upstream.state.serve_queue(0, t0);
  CHECK(waiting.done);
  CHECK(waiting.ticket.slot == 1);
  upstream.finish(first);
  upstream.finish(waiting);
}

TEST_CASE("an unhealthy endpoint is no other endpoint for a retry") {
  Upstream upstream(2);
  const std::uint32_t tried[] = {0};
  CHECK(upstream.state.other_endpoint_usable(tried, t0));
  upstream.set_healthy(1, false);
  CHECK_FALSE(upstream.state.other_endpoint_usable(tried, t0));
  upstream.set_healthy(0, false);
  CHECK_FALSE(upstream.state.other_endpoint_usable(tried, t0));
}

TEST_CASE("an ejected endpoint that fails its checks is not probed after its time") {
  auto settings = checked_upstream();
  settings.load_balancer.policy = config::LoadBalancerPolicy::RoundRobin;
  Upstream upstream(3, settings);
  Try one;
  for (int i = 0; i < 100 && upstream.state.live(t0).endpoints[0].state != "ejected"; ++i) {
    REQUIRE(upstream.admit(one) == Admission::Granted);
    const bool refused = one.ticket.slot == 0;
    upstream.state.settle(
        one.ticket,
        {.outcome = refused ? policy::TryOutcome::ConnectRefused : policy::TryOutcome::Response,
         .status = 200},
        1ms, t0);
    upstream.state.finish(one.ticket, 1ms, false, t0);
  }
  REQUIRE(upstream.state.live(t0).endpoints[0].state == "ejected");
  upstream.set_healthy(0, false);
  const auto later = t0 + 31s;
  CHECK(upstream.state.live(later).endpoints[0].state == "unhealthy");
  one.repeatable = true;
  REQUIRE(upstream.state.admit(one, true, later) == Admission::Granted);
  CHECK(one.ticket.slot != 0);
  upstream.finish(one);
  upstream.set_healthy(0, true);
  CHECK(upstream.state.live(later).endpoints[0].state == "probation");
  REQUIRE(upstream.state.admit(one, true, later) == Admission::Granted);
  CHECK(one.ticket.slot == 0);
  upstream.finish(one);
}

TEST_CASE("initially unhealthy endpoints come into service one by one") {
  auto settings = checked_upstream();
  settings.health_check->initially = config::InitialHealth::Unhealthy;
  Upstream upstream(2, settings);
  Try one;
  CHECK(upstream.admit(one) == Admission::Refused);
  upstream.set_healthy(0, true);
  CHECK(upstream.shares(20).size() == 1);
  upstream.resolve(3);  // who stays, stays healthy
  CHECK(upstream.shares(20) == std::map<std::uint32_t, int>{{0, 20}});
}

TEST_CASE("pools are told of changes of health, and of those only") {
  Upstream upstream(2);
  const auto before = upstream.state.version();
  upstream.set_healthy(0, true);
  CHECK(upstream.state.version() == before);
  upstream.set_healthy(0, false);
  CHECK(upstream.state.version() != before);
  CHECK_FALSE(upstream.state.healthy(0));
  CHECK(upstream.state.healthy(1));
}

TEST_CASE("a check that outlives its endpoint says nothing of the slot's next") {
  Upstream upstream(1);
  const auto left = upstream.state.endpoints().at(0);
  upstream.resolve(0);
  upstream.resolve(1);
  upstream.state.set_health(left, {.healthy = false, .last = policy::CheckEnd{}});
  CHECK(upstream.state.healthy(0));
  CHECK(upstream.shares(1).count(0) == 1);
}

TEST_CASE("health survives a reload, and ends with the checks") {
  Upstream upstream(2);
  upstream.set_healthy(0, false);
  auto settings = upstream.settings;
  settings.outlier_detection.reset();
  upstream.state.configure(settings, t0);
  CHECK_FALSE(upstream.state.healthy(0));
  settings.outlier_detection.emplace();
  upstream.state.configure(settings, t0);
  CHECK_FALSE(upstream.state.healthy(0));
  settings.health_check.reset();
  upstream.state.configure(settings, t0);
  CHECK(upstream.state.healthy(0));
  CHECK_FALSE(upstream.state.live(t0).endpoints[0].health.present);
  CHECK(upstream.shares(50).count(0) == 1);
}

TEST_CASE("the live state tells what the checks found") {
  Upstream upstream(2);
  CHECK(upstream.state.live(t0).endpoints[0].health.result.empty());
  upstream.set_healthy(0, false);
  upstream.set_healthy(1, true);
  const auto live = upstream.state.live(t0 + 2s);
  const auto& ill = live.endpoints[0];
  CHECK(ill.state == "unhealthy");
  CHECK(ill.health.present);
  CHECK_FALSE(ill.health.healthy);
  CHECK(ill.health.result == "timeout");
  CHECK(ill.health.reason == "no answer in time");
  CHECK(ill.health.consecutive == 3);
  CHECK(ill.health.ago == 2s);
  CHECK(live.endpoints[1].state == "healthy");
  REQUIRE(live.health_checks.size() == 3);
  CHECK(live.health_checks[0].count == 1);
  CHECK(live.health_checks[1].count == 0);
  CHECK(live.health_checks[2].label == "timeout");
  CHECK(live.health_checks[2].count == 1);
}

}  // namespace
}  // namespace outrigger::upstream
