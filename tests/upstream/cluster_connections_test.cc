// Connections are counted over all workers, idle ones too.
#include <memory>
#include <vector>

#include "proxy/simulation/virtual_time.h"
#include "tests/support/catch.h"
#include "tests/upstream/one_cluster.h"

namespace outrigger::upstream {
namespace {

using Admission = ClusterState::Admission;

const Endpoints kTwo = {{"10.0.0.1:80", "10.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.2:80"}};

config::Upstream with_limits(std::uint32_t all, std::optional<std::uint32_t> of_each = {}) {
  config::Upstream made = settings();
  made.limits.max_connections = all;
  made.limits.max_connections_per_endpoint = of_each;
  return made;
}

struct Told : Try {
  void run() override { ++times; }
  int times = 0;
};

// A worker with idle connections, one at most of each endpoint.
struct Owner final : ClusterState::Member {
  Owner(ClusterState& to, exchange::Scheduler& scheduler) : Member(scheduler), state(to) {
    state.join(*this);
  }
  ~Owner() override {
    for (const Endpoint* each : idle) state.connection_closed(*each);
    state.leave(*this);
  }
  void close_idle_for_others() override {
    ++asked;
    for (std::uint32_t slot : {0U, 1U}) {
      const Endpoint* of_slot = state.endpoint_at(slot).get();
      const auto at = std::ranges::find(idle, of_slot);
      if (at == idle.end() || !state.closing_helps(slot)) continue;
      idle.erase(at);
      state.connection_closed(*of_slot);
    }
  }
  ClusterState& state;
  std::vector<const Endpoint*> idle;
  int asked = 0;
};

struct Crowd {
  explicit Crowd(const config::Upstream& with) : cluster(with, kTwo), owner(cluster.state, time) {
    for (std::uint32_t slot : {0U, 1U}) {
      kept.push_back(cluster.state.endpoint_at(slot));
      REQUIRE(cluster.state.open_connection(*kept.back()));
      owner.idle.push_back(kept.back().get());
    }
    for (Told* each : {&first, &second}) {
      each->scheduler = &time;
      REQUIRE(cluster.state.admit(*each, true, t0) == Admission::Granted);
    }
  }
  ~Crowd() {
    for (Told* each : {&first, &second}) {
      cluster.state.stop_awaiting(*each);
      if (each->times > 0 && !given_back) {
        cluster.state.connection_closed(*each->ticket.endpoint);
      }
      cluster.state.settle(each->ticket, {.status = 200}, 1ms, t0);
      cluster.state.finish(each->ticket, 1ms, false, t0);
    }
  }
  void await(Told& waiter) {
    REQUIRE_FALSE(cluster.state.open_connection(*waiter.ticket.endpoint));
    cluster.state.await_connection(waiter);
  }

  simulation::VirtualTime time;
  OneCluster cluster;
  Owner owner;
  std::vector<EndpointPtr> kept;
  Told first, second;
  bool given_back = false;
};

}  // namespace

TEST_CASE("there are no more connections than may be, and one that is closed makes room") {
  OneCluster cluster(with_limits(2), kTwo);
  const auto endpoint = cluster.state.endpoint_at(0);
  CHECK(cluster.state.open_connection(*endpoint));
  CHECK(cluster.state.open_connection(*endpoint));
  CHECK_FALSE(cluster.state.open_connection(*endpoint));
  cluster.state.connection_closed(*endpoint);
  CHECK(cluster.state.open_connection(*endpoint));
}

TEST_CASE("an endpoint has a bound of its own") {
  OneCluster cluster(with_limits(10, 1), kTwo);
  CHECK(cluster.state.open_connection(*cluster.state.endpoint_at(0)));
  CHECK_FALSE(cluster.state.open_connection(*cluster.state.endpoint_at(0)));
  CHECK(cluster.state.open_connection(*cluster.state.endpoint_at(1)));
}

TEST_CASE("where idle connections leave no room, another worker closes one of its own") {
  Crowd crowd(with_limits(2));
  crowd.await(crowd.first);
  CHECK(crowd.first.times == 0);
  CHECK(crowd.cluster.state.closing_helps(0));
  crowd.time.settle();
  CHECK(crowd.first.times == 1);
  CHECK(crowd.owner.idle.size() == 1);
  CHECK_FALSE(crowd.cluster.state.closing_helps(0));

  SECTION("and is asked anew for the next") {
    crowd.first.done = false;
    crowd.await(crowd.second);
    crowd.time.settle();
    CHECK(crowd.second.times == 1);
    CHECK(crowd.owner.idle.empty());
    CHECK(crowd.owner.asked == 2);
    crowd.second.done = false;
  }
  crowd.first.done = false;
}

TEST_CASE("at an endpoint's own bound it is one of that endpoint that is closed") {
  Crowd crowd(with_limits(10, 1));
  const Endpoint* wanted = crowd.first.ticket.endpoint;
  crowd.await(crowd.first);
  crowd.time.settle();
  CHECK(crowd.first.times == 1);
  REQUIRE(crowd.owner.idle.size() == 1);
  CHECK(crowd.owner.idle.front() != wanted);
  crowd.first.done = false;
}

TEST_CASE("who gives up while waiting leaves the room to the next") {
  Crowd crowd(with_limits(2));
  crowd.owner.idle.clear();  // in use now
  crowd.await(crowd.first);
  crowd.await(crowd.second);
  crowd.time.settle();
  CHECK(crowd.first.times + crowd.second.times == 0);

  SECTION("before there was any") {
    crowd.cluster.state.stop_awaiting(crowd.first);
    crowd.cluster.state.connection_closed(*crowd.kept[0]);
    crowd.time.settle();
  }
  SECTION("or after, when it goes to the next") {
    crowd.cluster.state.connection_closed(*crowd.kept[0]);
    crowd.cluster.state.stop_awaiting(crowd.first);
    crowd.time.cancel(crowd.first);
    crowd.time.settle();
  }
  CHECK(crowd.first.times == 0);
  CHECK(crowd.second.times == 1);
  CHECK_FALSE(crowd.cluster.state.closing_helps(0));
  crowd.second.done = false;
}

TEST_CASE("each worker is asked as long as somebody waits for what it has") {
  OneCluster cluster(with_limits(10, 1), kTwo);
  simulation::VirtualTime time;
  Owner of_second(cluster.state, time), of_first(cluster.state, time);  // asked in this order
  const std::vector<EndpointPtr> kept = {cluster.state.endpoint_at(0),
                                         cluster.state.endpoint_at(1)};
  for (const auto& each : kept) REQUIRE(cluster.state.open_connection(*each));
  of_first.idle = {kept[0].get()};
  of_second.idle = {kept[1].get()};
  Told first, second;
  for (Told* each : {&first, &second}) {
    each->scheduler = &time;
    REQUIRE(cluster.state.admit(*each, true, t0) == Admission::Granted);
    cluster.state.await_connection(*each);
  }
  time.settle();
  CHECK((first.times == 1 && second.times == 1));
  for (Told* each : {&first, &second}) {
    each->done = false;
    cluster.state.connection_closed(*each->ticket.endpoint);
    cluster.state.settle(each->ticket, {.status = 200}, 1ms, t0);
    cluster.state.finish(each->ticket, 1ms, false, t0);
  }
}

TEST_CASE("who waits at its endpoint's own bound holds nobody else up") {
  Crowd crowd(with_limits(10, 1));
  crowd.owner.idle = {};  // in use
  crowd.await(crowd.first);
  crowd.time.settle();
  CHECK(crowd.first.times == 0);
  const bool first_has_0 = crowd.first.ticket.slot == 0;
  const Endpoint& other = *crowd.kept[first_has_0 ? 1 : 0];
  crowd.cluster.state.connection_closed(other);
  CHECK(crowd.cluster.state.open_connection(other));
  CHECK_FALSE(crowd.cluster.state.closing_helps(first_has_0 ? 1 : 0));
  CHECK(crowd.cluster.state.closing_helps(first_has_0 ? 0 : 1));

  SECTION("and goes on when a reload allows more") {
    crowd.cluster.state.configure(with_limits(10, 2), t0);
    crowd.time.settle();
    CHECK(crowd.first.times == 1);
    crowd.first.done = false;
  }
}

}  // namespace outrigger::upstream
