#include <map>

#include "proxy/simulation/virtual_time.h"
#include "tests/support/catch.h"
#include "tests/upstream/one_cluster.h"

namespace outrigger::upstream {
namespace {

using Admission = ClusterState::Admission;

constexpr config::AdaptiveConcurrency kOne{.min = 1, .max = 1, .initial = 1, .queue = 1};

struct Waiting {
  explicit Waiting(const config::Upstream& with) : cluster(with) {
    for (Try* each : {&first, &waiting, &newcomer}) each->scheduler = &time;
    REQUIRE(cluster.state.admit(first, true, t0) == Admission::Granted);
    REQUIRE(cluster.state.admit(waiting, true, t0) == Admission::Queued);
  }
  void finish(Try& one) {
    cluster.state.settle(one.ticket, {.status = 200}, 1ms, t0);
    cluster.state.finish(one.ticket, 1ms, false, t0);
  }

  simulation::VirtualTime time;
  OneCluster cluster;
  Try first, waiting, newcomer;
};

TEST_CASE("whoever waits when adaptive_concurrency goes or grows keeps no newcomer out") {
  for (const auto& after : {std::optional<config::AdaptiveConcurrency>(),
                            std::optional<config::AdaptiveConcurrency>(
                                {.min = 10, .max = 10, .initial = 10, .queue = 0})}) {
    config::Upstream with = settings();
    with.adaptive_concurrency = kOne;
    Waiting one(with);
    with.adaptive_concurrency = after;
    one.cluster.state.configure(with, t0);
    CHECK(one.cluster.state.admit(one.newcomer, true, t0) == Admission::Granted);
    CHECK(one.waiting.done);
    for (Try* each : {&one.first, &one.waiting, &one.newcomer}) one.finish(*each);
    CHECK(one.cluster.state.live(t0).requests_in_flight == 0);
  }
}

TEST_CASE("without adaptive_concurrency who finds no place waits for it behind the old line") {
  config::Upstream with = settings();
  with.adaptive_concurrency = kOne;
  Waiting one(with);
  with.adaptive_concurrency.reset();
  with.limits.max_requests = 1;
  one.cluster.state.configure(with, t0);
  CHECK(one.cluster.state.admit(one.newcomer, true, t0) == Admission::Queued);
  one.finish(one.first);
  one.finish(one.newcomer.done ? one.newcomer : one.waiting);
  CHECK((one.newcomer.done && one.waiting.done));
  one.finish(one.newcomer.ticket.settled ? one.waiting : one.newcomer);
}

TEST_CASE("limits of each endpoint are shown where they are set") {
  const auto shown = [](const config::Upstream& with) {
    std::map<std::string, std::uint64_t> limits;
    OneCluster cluster(with);
    for (const auto& each : cluster.state.live(t0).limits) limits[each.label] = each.count;
    return limits;
  };
  config::Upstream with = settings();
  CHECK(shown(with).size() == 3);
  with.limits.max_requests_per_endpoint = 7;
  with.limits.max_connections_per_endpoint = 5;
  CHECK(shown(with).at("max_requests_per_endpoint") == 7);
  CHECK(shown(with).at("max_connections_per_endpoint") == 5);
}

}  // namespace
}  // namespace outrigger::upstream
