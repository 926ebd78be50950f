#include "tests/support/catch.h"
#include "tests/upstream/one_cluster.h"

namespace outrigger::upstream {
namespace {

using policy::TryOutcome;

const std::string kFirst = "10.0.0.1:80";

config::OutlierDetection detection() {
  config::OutlierDetection made;
  made.success_rate.emplace();
  made.latency.emplace();
  return made;
}

// 100 tries at each of the endpoints in turn; those at the first come to `end`.
void hundred_each(OneCluster& cluster, OneCluster::End end, TimePoint now = t0) {
  for (int i = 0; i < 300; ++i) {
    const auto judge = [&](const std::string& address) {
      return address == kFirst ? end : OneCluster::End{{.status = 200}, 10ms};
    };
    cluster.attempt_judged(judge, now);
  }
}

}  // namespace

TEST_CASE("a sweep takes an outlier out of service") {
  OneCluster cluster(settings(detection()));
  cluster.state.sweep_if_due(t0);
  hundred_each(cluster, {{.status = 500}});
  cluster.state.sweep_if_due(t0 + 9999ms);
  CHECK(cluster.endpoint(kFirst).state == "healthy");

  cluster.state.sweep_if_due(t0 + 10s);
  CHECK(cluster.endpoint(kFirst).state == "ejected");
  CHECK(cluster.asked() == Addresses{"10.0.0.2:80", "10.0.0.3:80"});
}

TEST_CASE("what the last sweep compared is shown") {
  OneCluster cluster(settings(detection()));
  CHECK(cluster.endpoint(kFirst).swept.failures == 0);
  hundred_each(cluster, {{.status = 500}, 20ms});
  cluster.state.sweep_if_due(t0 + 10s);
  const auto swept = cluster.endpoint(kFirst).swept;
  CHECK(swept.successes == 0);
  CHECK(swept.failures == 100);
  CHECK(seconds(swept.p95) == Approx(0.02).epsilon(0.032));
  CHECK(cluster.endpoint("10.0.0.2:80").swept.successes == 100);

  cluster.state.sweep_if_due(t0 + 20s);
  CHECK(cluster.endpoint("10.0.0.2:80").swept.successes == 0);
}

TEST_CASE("tries that are cancelled count with the time they took") {
  OneCluster cluster(settings(detection()));
  hundred_each(cluster, {{.outcome = TryOutcome::Abandoned}, 200ms});
  cluster.state.sweep_if_due(t0 + 10s);
  CHECK(cluster.endpoint(kFirst).state == "ejected");
  CHECK(cluster.endpoint(kFirst).swept.failures == 0);
}

TEST_CASE("an endpoint ejected by hand is not compared with") {
  OneCluster cluster(settings(detection()));
  hundred_each(cluster, {{.status = 500}});
  cluster.state.eject_by_hand("10.0.0.2:80", t0);
  cluster.state.sweep_if_due(t0 + 10s);
  CHECK(cluster.endpoint(kFirst).state == "healthy");  // two are too few
}

TEST_CASE("an endpoint that comes into the slot of one that left starts without its past") {
  OneCluster cluster(settings(detection()));
  hundred_each(cluster, {{.status = 500}, 1s});
  cluster.state.set_endpoints(Endpoints{kThree[1], kThree[2]}, t0);
  cluster.state.set_endpoints(kThree, t0);
  cluster.state.sweep_if_due(t0 + 10s);
  CHECK(cluster.endpoint(kFirst).state == "healthy");
  CHECK(cluster.endpoint(kFirst).swept.failures == 0);
  CHECK(cluster.endpoint(kFirst).swept.p95 == 0s);
}

TEST_CASE("a shorter interval that comes with a reload holds from the last sweep on") {
  auto changed = detection();
  changed.interval = 1h;
  OneCluster cluster(settings(changed));
  cluster.state.sweep_if_due(t0);
  hundred_each(cluster, {{.status = 500}});
  cluster.state.configure(settings(detection()), t0);
  cluster.state.sweep_if_due(t0 + 10s);
  CHECK(cluster.endpoint(kFirst).state == "ejected");
}

TEST_CASE("without a block there is nothing to sweep") {
  OneCluster cluster(settings());
  hundred_each(cluster, {{.status = 500}});
  cluster.state.sweep_if_due(t0 + 10s);
  CHECK(cluster.endpoint(kFirst).state == "healthy");
}

}  // namespace outrigger::upstream
