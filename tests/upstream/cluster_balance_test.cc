// What ClusterState tells its balancer; the choice itself is in policy/endpoint_choice*_test.cc.

#include <map>

#include "proxy/policy/stable_hash.h"
#include "proxy/simulation/virtual_time.h"
#include "proxy/upstream/cluster_state.h"
#include "tests/support/catch.h"

namespace outrigger::upstream {
namespace {

using namespace std::chrono_literals;
using policy::StableHash;

constexpr TimePoint t0{1s};

struct Try final : Waiter {
  void run() override {}
};

struct Cluster {
  explicit Cluster(const config::LoadBalancer& balancer, const std::string& zone = "")
      : settings{.name = "u", .load_balancer = balancer}, state(settings, 1) {
    state.set_own_zone(zone);
  }

  // Endpoint i is "10.0.0.i:80", with what else `shape` says of it.
  template <class Shape>
  void resolve(int first, int count, const Shape& shape) {
    std::vector<WantedEndpoint> wanted;
    for (int i = first; i < first + count; ++i) {
      const auto address = "10.0.0." + std::to_string(i) + ":80";
      wanted.push_back({.address = address, .configured = address});
      shape(i, wanted.back());
    }
    state.set_endpoints(wanted, t0);
  }
  void resolve(int first, int count) {
    resolve(first, count, [](int, WantedEndpoint&) {});
  }

  std::string ask(std::uint64_t hash) {
    Try one;
    one.scheduler = &time;
    one.hash = hash;
    REQUIRE(state.admit(one, false, t0) == ClusterState::Admission::Granted);
    const std::string address = one.ticket.endpoint->address;
    state.settle(one.ticket, {.status = 200}, 1ms, t0);
    state.finish(one.ticket, 1ms, false, t0);
    return address;
  }
  std::vector<std::string> ask_all(int keys = 1000) {
    std::vector<std::string> found;
    for (int i = 0; i < keys; ++i) found.push_back(ask(StableHash::of(std::to_string(i))));
    return found;
  }

  simulation::VirtualTime time;
  config::Upstream settings;
  ClusterState state;
};

}  // namespace

TEST_CASE("keys go by the endpoints' addresses, in whatever order they came") {
  for (const auto policy :
       {config::LoadBalancerPolicy::RingHash, config::LoadBalancerPolicy::Maglev}) {
    Cluster one({.policy = policy});
    one.resolve(1, 5);
    Cluster other({.policy = policy});
    other.resolve(3, 5);  // 3..7, then 1..5: the slots are others
    other.resolve(1, 5);
    CHECK(one.ask_all() == other.ask_all());
  }
}

TEST_CASE("an endpoint that left keeps no keys while tries are still on it") {
  Cluster cluster({.policy = config::LoadBalancerPolicy::Maglev});
  cluster.resolve(1, 4);
  Try held;
  held.scheduler = &cluster.time;
  held.hash = 1;
  REQUIRE(cluster.state.admit(held, false, t0) == ClusterState::Admission::Granted);
  const std::string gone = held.ticket.endpoint->address;
  const int number = gone[7] - '0';
  cluster.resolve(1, 4, [number](int i, WantedEndpoint& endpoint) {
    if (i == number) endpoint.address = "10.0.1.1:80";
  });
  Cluster fresh({.policy = config::LoadBalancerPolicy::Maglev});
  fresh.resolve(1, 4, [number](int i, WantedEndpoint& endpoint) {
    if (i == number) endpoint.address = "10.0.1.1:80";
  });
  CHECK(cluster.ask_all() == fresh.ask_all());
  cluster.state.settle(held.ticket, {.status = 200}, 1ms, t0);
  cluster.state.finish(held.ticket, 1ms, false, t0);
  CHECK(cluster.ask_all() == fresh.ask_all());
}

TEST_CASE("a policy that becomes a hash at a reload has its table at once") {
  Cluster cluster({});
  cluster.resolve(1, 5);
  cluster.settings.load_balancer.policy = config::LoadBalancerPolicy::Maglev;
  cluster.state.configure(cluster.settings, t0);
  Cluster fresh({.policy = config::LoadBalancerPolicy::Maglev});
  fresh.resolve(1, 5);
  CHECK(cluster.ask_all() == fresh.ask_all());
}

TEST_CASE("priorities and zones of endpoints that stay may change") {
  Cluster cluster({.zone_aware = config::ZoneAware{2}}, "a");
  cluster.resolve(1, 4,
                  [](int i, WantedEndpoint& endpoint) { endpoint.priority = i == 1 ? 0 : 1; });
  for (const auto& address : cluster.ask_all(50)) CHECK(address == "10.0.0.1:80");
  cluster.resolve(1, 4, [](int i, WantedEndpoint& endpoint) { endpoint.zone = i > 2 ? "a" : "b"; });
  for (const auto& address : cluster.ask_all(50)) CHECK(address >= "10.0.0.3:80");
  cluster.state.set_own_zone("b");
  for (const auto& address : cluster.ask_all(50)) CHECK(address < "10.0.0.3:80");
}

TEST_CASE("in panic only who is ejected gets nothing, and it is shown") {
  Cluster cluster({});
  cluster.settings.health_check.emplace().tcp.emplace();
  cluster.state.configure(cluster.settings, t0);
  cluster.resolve(1, 5);
  for (const auto& endpoint : cluster.state.endpoints()) {
    cluster.state.set_health(
        endpoint,
        {.healthy = false, .last = policy::CheckEnd{.outcome = policy::CheckOutcome::Timeout}});
  }
  CHECK_FALSE(cluster.state.usable(t0));  // traffic flows, but nothing is ready
  CHECK(cluster.state.live(t0).panic);
  cluster.state.eject_by_hand("10.0.0.2:80", t0);
  std::map<std::string, int> counts;
  for (const auto& address : cluster.ask_all()) ++counts[address];
  CHECK(counts.size() == 4);
  CHECK_FALSE(counts.contains("10.0.0.2:80"));
}

TEST_CASE("a try without a time, for it had not begun or its request not ended, is no sample") {
  Cluster cluster({});
  cluster.resolve(1, 1);
  constexpr TimePoint now{1h};
  const auto come_to = [&](const policy::TryEnd& end, Duration took) {
    Try one;
    one.scheduler = &cluster.time;
    REQUIRE(cluster.state.admit(one, false, now) == ClusterState::Admission::Granted);
    cluster.state.settle(one.ticket, end, took, now);
    cluster.state.finish(one.ticket, took, false, now);
  };
  come_to({.status = 200}, 40ms);
  for (int i = 0; i < 10; ++i) {
    come_to({.status = 200}, 0ms);
    come_to({.outcome = policy::TryOutcome::Abandoned}, 0ms);
  }
  CHECK_FALSE(cluster.state.latency_percentile(50, now));
  come_to({.status = 200}, 40ms);
  REQUIRE(cluster.state.latency_percentile(50, now));
  CHECK(*cluster.state.latency_percentile(50, now) > 30ms);
}

}  // namespace outrigger::upstream
