#include <map>

#include "tests/support/catch.h"
#include "tests/upstream/one_cluster.h"

namespace outrigger::upstream {
namespace {

using Result = policy::TryEnd;

const Result kOk{.status = 200};
const Result kLost{.outcome = policy::TryOutcome::Reset};
const Result kDraining{.status = 503, .refused_elsewhere = true, .draining = true};

config::Upstream watched(std::uint32_t min_available = 1) {
  return settings(config::OutlierDetection{
      .base_ejection_time = 10s, .max_ejection_percent = 100, .min_available = min_available});
}

// A GET: it may be the one on probation.
std::string get(OneCluster& cluster, TimePoint now,
                const std::map<std::string, Result>& ends = {}) {
  Try waiter;
  waiter.repeatable = true;
  if (cluster.state.admit(waiter, false, now) != ClusterState::Admission::Granted) return "";
  const std::string address = waiter.ticket.endpoint->address;
  const auto end = ends.find(address);
  cluster.state.settle(waiter.ticket, end == ends.end() ? kOk : end->second, 1ms, now);
  cluster.state.finish(waiter.ticket, 1ms, false, now);
  return address;
}

void eject(OneCluster& cluster, const std::string& address) {
  for (int i = 0; i < 100 && cluster.endpoint(address).state != "ejected"; ++i) {
    cluster.attempt_judged(
        [&](const std::string& at) { return OneCluster::End{at == address ? kLost : kOk}; }, t0);
  }
  REQUIRE(cluster.endpoint(address).state == "ejected");
}

int of_100(OneCluster& cluster, const std::string& address, TimePoint now,
           const std::map<std::string, Result>& ends) {
  int asked = 0;
  for (int i = 0; i < 100; ++i) asked += get(cluster, now, ends) == address ? 1 : 0;
  return asked;
}

const std::string kFirst = "10.0.0.1:80", kSecond = "10.0.0.2:80", kThird = "10.0.0.3:80";

TEST_CASE("an endpoint on probation whose answers settle nothing does not draw the traffic") {
  const Result abandoned{.outcome = policy::TryOutcome::Abandoned};
  for (const Result& end : {Result{.status = 429}, Result{.status = 501},
                            Result{.status = 503, .refused_elsewhere = true}, abandoned}) {
    OneCluster cluster(watched());
    eject(cluster, kFirst);
    CHECK(of_100(cluster, kFirst, t0 + 10s, {{kFirst, end}}) == 1);
    CHECK(of_100(cluster, kFirst, t0 + 11s, {{kFirst, end}}) == 1);
    CHECK(of_100(cluster, kFirst, t0 + 12s, {{kFirst, end}}) == 0);  // the pause has doubled
    CHECK(get(cluster, t0 + 13s) == kFirst);
    CHECK(cluster.endpoint(kFirst, t0 + 13s).state == "healthy");
  }
}

TEST_CASE("one that drains on probation is left alone as long as any") {
  OneCluster cluster(watched());
  eject(cluster, kFirst);
  CHECK(get(cluster, t0 + 10s, {{kFirst, kDraining}}) == kFirst);
  CHECK(of_100(cluster, kFirst, t0 + 14s, {}) == 0);
  CHECK(get(cluster, t0 + 15s) == kFirst);
}

TEST_CASE("where nothing else is left a place on probation is taken before it is due") {
  OneCluster cluster(watched(0));
  for (const auto& address : {kFirst, kSecond, kThird}) eject(cluster, address);
  const std::map<std::string, Result> all{
      {kFirst, {.status = 429}}, {kSecond, {.status = 429}}, {kThird, {.status = 429}}};
  for (int i = 0; i < 10; ++i) CHECK_FALSE(get(cluster, t0 + 10s, all).empty());
}

TEST_CASE("one on probation that cannot be asked does not keep the others from being asked") {
  auto with_checks = watched();
  with_checks.load_balancer.panic_threshold_percent.reset();
  with_checks.health_check.emplace().tcp.emplace();
  OneCluster cluster(with_checks);
  eject(cluster, kFirst);
  eject(cluster, kSecond);
  cluster.state.set_health(cluster.state.endpoints().at(0), {.healthy = false});
  CHECK(get(cluster, t0 + 10s) == kSecond);
  CHECK(of_100(cluster, kFirst, t0 + 20s, {}) == 0);
}

TEST_CASE("in panic also those on probation are asked, whatever their checks say") {
  auto with_checks = watched(0);
  with_checks.health_check.emplace().tcp.emplace();
  OneCluster cluster(with_checks);
  for (const auto& address : {kFirst, kSecond, kThird}) eject(cluster, address);
  for (std::uint32_t slot = 0; slot < 3; ++slot) {
    cluster.state.set_health(cluster.state.endpoints().at(slot), {.healthy = false});
  }
  CHECK_FALSE(get(cluster, t0 + 10s).empty());
}

}  // namespace
}  // namespace outrigger::upstream
