#include "tests/support/catch.h"
#include "tests/upstream/one_cluster.h"

namespace outrigger::upstream {
namespace {

using ByHand = ClusterState::ByHand;

}  // namespace

TEST_CASE("an endpoint ejected by hand gets nothing until it is restored") {
  for (const auto& detection : {std::optional<config::OutlierDetection>(),
                                std::optional(config::present_outlier_detection())}) {
    OneCluster cluster(settings(detection));
    CHECK(cluster.state.eject_by_hand("10.0.0.1:80", t0) == ByHand::Done);
    CHECK(cluster.state.eject_by_hand("10.0.0.1:80", t0) == ByHand::AlreadySo);
    CHECK(cluster.asked() == Addresses{"10.0.0.2:80", "10.0.0.3:80"});
    CHECK(cluster.endpoint("10.0.0.1:80", t0 + 24h).state == "ejected");
    CHECK(cluster.endpoint("10.0.0.1:80").by_hand);
    CHECK_FALSE(cluster.endpoint("10.0.0.2:80").by_hand);

    CHECK(cluster.state.restore_by_hand("10.0.0.1:80", t0) == ByHand::Done);
    CHECK(cluster.state.restore_by_hand("10.0.0.1:80", t0) == ByHand::AlreadySo);
    CHECK(cluster.asked().size() == 3);
    CHECK(cluster.endpoint("10.0.0.1:80").state == "healthy");
    CHECK_FALSE(cluster.endpoint("10.0.0.1:80").by_hand);
  }
}

TEST_CASE("an endpoint that is not there cannot be ejected by hand") {
  OneCluster cluster(settings());
  CHECK(cluster.state.eject_by_hand("10.0.0.4:80", t0) == ByHand::NoSuchEndpoint);
  CHECK(cluster.state.restore_by_hand("10.0.0.4:80", t0) == ByHand::NoSuchEndpoint);
}

TEST_CASE("an endpoint is known by the name that it alone was configured by") {
  OneCluster cluster(settings());
  CHECK(cluster.state.eject_by_hand("pay:80", t0) == ByHand::Done);
  CHECK(cluster.endpoint("10.0.0.2:80").by_hand);
  CHECK(cluster.state.restore_by_hand("pay:80", t0) == ByHand::Done);

  OneCluster two(settings(), {{"10.0.0.1:80", "pay:80"}, {"10.0.0.2:80", "pay:80"}});
  CHECK(two.state.eject_by_hand("pay:80", t0) == ByHand::NoSuchEndpoint);
}

TEST_CASE(
    "an endpoint that a reload writes otherwise has its new name at once, and its old state") {
  OneCluster cluster(settings(), {{"10.0.0.1:80", "pay:80"}, {"10.0.0.2:80", "10.0.0.2:80"}});
  const auto before = cluster.state.endpoints();
  Try under_way;
  REQUIRE(cluster.state.admit(under_way, false, t0) == ClusterState::Admission::Granted);
  const auto slot = under_way.ticket.slot;
  cluster.state.set_endpoints(
      std::vector<WantedEndpoint>{{"10.0.0.1:80", "10.0.0.1:80"}, {"10.0.0.2:80", "two:80"}}, t0);
  const auto after = cluster.state.endpoints();
  REQUIRE(after.size() == 2);
  CHECK(after[0].endpoint == before[0].endpoint);
  CHECK(*after[0].configured == "10.0.0.1:80");
  CHECK(*after[1].configured == "two:80");
  CHECK(*cluster.state.configured_at(slot) == *after[slot].configured);
  CHECK(cluster.state.eject_by_hand("two:80", t0) == ByHand::Done);
  CHECK(cluster.state.eject_by_hand("pay:80", t0) == ByHand::NoSuchEndpoint);
  cluster.state.settle(under_way.ticket, {.status = 200}, 1ms, t0);
  cluster.state.finish(under_way.ticket, 1ms, false, t0);
}

TEST_CASE("by hand all can be ejected, and then none is usable") {
  OneCluster cluster(settings(config::present_outlier_detection()));
  for (const auto& each : kThree) {
    CHECK(cluster.state.usable(t0));
    CHECK(cluster.state.eject_by_hand(each.address, t0) == ByHand::Done);
  }
  CHECK_FALSE(cluster.state.usable(t0));
  CHECK(cluster.attempt().empty());
}

TEST_CASE("an ejection by hand survives reloads and resolutions") {
  OneCluster cluster(settings(config::OutlierDetection{}));
  cluster.state.eject_by_hand("10.0.0.1:80", t0);
  cluster.state.configure(settings(), t0);
  cluster.state.configure(settings(config::OutlierDetection{}), t0);
  cluster.state.set_endpoints(kThree, t0);
  CHECK(cluster.asked() == Addresses{"10.0.0.2:80", "10.0.0.3:80"});

  cluster.state.set_endpoints(Endpoints{kThree[1]}, t0);
  CHECK(cluster.asked() == Addresses{"10.0.0.2:80"});
  cluster.state.set_endpoints(kThree, t0);
  CHECK(cluster.asked() == Addresses{"10.0.0.2:80", "10.0.0.3:80"});

  cluster.state.set_endpoints(Endpoints{kThree[1]}, t0);
  CHECK(cluster.state.restore_by_hand("10.0.0.1:80", t0) == ByHand::Done);
  cluster.state.set_endpoints(kThree, t0);
  CHECK(cluster.asked().size() == 3);
}

// Of three, one may be out: the one ejected by hand is not among those that the detectors see, of
// the two others one may be out, and where a single one is left it is a lone one.
TEST_CASE("detectors look at those that are not out by hand") {
  OneCluster cluster(settings(config::OutlierDetection{.consecutive_local_origin_failures = 1}));
  const policy::TryEnd refused{.outcome = policy::TryOutcome::ConnectRefused};
  cluster.state.eject_by_hand("10.0.0.1:80", t0);
  const std::string first = cluster.attempt(refused);
  CHECK(cluster.endpoint(first).state == "ejected");
  CHECK_FALSE(cluster.endpoint(first).by_hand);
  const std::string last = cluster.attempt(refused);
  CHECK(last != first);
  CHECK(cluster.endpoint(last).state == "healthy");

  cluster.state.eject_by_hand(last, t0);
  CHECK(cluster.endpoint(first).state == "healthy");  // it is the last one now
  CHECK(cluster.attempt() == first);
}

TEST_CASE("restoring by hand ends a detector's ejection and the way back after it") {
  for (const auto now : {t0, t0 + 30s}) {  // ejected; on probation
    OneCluster cluster(settings(config::OutlierDetection{.consecutive_local_origin_failures = 1}));
    const auto address = cluster.attempt({.outcome = policy::TryOutcome::ConnectRefused});
    CHECK(cluster.endpoint(address, now).state == (now == t0 ? "ejected" : "probation"));
    CHECK(cluster.state.restore_by_hand(address, now) == ByHand::Done);
    CHECK(cluster.endpoint(address, now).state == "healthy");
    CHECK(cluster.endpoint(address, now).ejections == 0);
    CHECK(cluster.asked().size() == 3);
  }
}

TEST_CASE(
    "a probation's try that ends after an ejection by hand, and its undoing, decides nothing") {
  OneCluster cluster(settings(config::OutlierDetection{.consecutive_local_origin_failures = 1}));
  const auto address = cluster.attempt({.outcome = policy::TryOutcome::ConnectRefused});
  const auto later = t0 + 30s;
  Try waiter;
  waiter.repeatable = true;
  REQUIRE(cluster.state.admit(waiter, false, later) == ClusterState::Admission::Granted);
  REQUIRE(waiter.ticket.probation);
  cluster.state.eject_by_hand(address, later);
  cluster.state.restore_by_hand(address, later);
  cluster.state.settle(waiter.ticket, {.status = 503}, 1ms, later);
  cluster.state.finish(waiter.ticket, 1ms, false, later);
  CHECK(cluster.endpoint(address, later).state == "healthy");
}

}  // namespace outrigger::upstream
