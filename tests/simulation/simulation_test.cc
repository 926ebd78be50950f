// The example scenarios, run: what README.md says of them holds. Orders and bounds are asserted,
// not numbers, so that a policy may get better.

#include "proxy/simulation/simulation.h"

#include <algorithm>
#include <string>

#include "config/load.h"
#include "proxy/base/log.h"
#include "tests/support/catch.h"

namespace outrigger::simulation {
namespace {

const std::string kFolder = OUTRIGGER_SOURCE_DIR "/config/examples/scenarios/";

Plan plan(const std::string& name, const config::Environment& environment = {}) {
  auto loaded = config::load_file(kFolder + name + ".config.yaml", environment);
  REQUIRE(loaded);
  auto planned =
      load_plan(kFolder + name + ".yaml",
                std::make_shared<const config::Config>(std::move(loaded.value())), environment);
  if (!planned) FAIL(config::to_text(name, planned.error()));
  return planned.value();
}

Report run(const Plan& plan, std::uint64_t seed) {
  log::configure(log::Level::Error, log::Format::Text);
  return Simulation(plan, seed).run();
}

double failed_share(const PhaseReport& phase) {
  return static_cast<double>(phase.failed) / static_cast<double>(phase.requests);
}

std::size_t count(const PhaseReport& phase, const std::string& what) {
  return static_cast<std::size_t>(std::ranges::count_if(phase.happenings, [&](const auto& each) {
    return each.what.find(what) != std::string::npos;
  }));
}

std::uint64_t answered(const PhaseReport& phase, const std::string& answer) {
  const auto found = phase.answers.find(answer);
  return found == phase.answers.end() ? 0 : found->second;
}

TEST_CASE("the same seed prints the same report, another one another") {
  const Plan storm = plan("retry-storm");
  const Report once = run(storm, 7);
  CHECK(to_text(once) == to_text(run(storm, 7)));
  CHECK(to_json(once) == to_json(run(storm, 7)));
  CHECK(to_json(once) != to_json(run(storm, 8)));
}

TEST_CASE("one bad endpoint of three is ejected, and callers hardly notice") {
  const Report report = run(plan("one-bad-endpoint"), GENERATE(1, 2, 3));
  const auto& [calm, bad, mended] = std::tie(report.phases[0], report.phases[1], report.phases[2]);
  CHECK(calm.failed == 0);
  CHECK(count(calm, "ejected") == 0);
  CHECK(failed_share(bad) < 0.01);
  CHECK(count(bad, "ejected") >= 1);
  CHECK(bad.amplification() < 1.05);
  // It is the second: hardly asked while it is bad, and back once it is mended.
  CHECK(bad.endpoints[1].requests * 20 < bad.endpoints[0].requests);
  CHECK(mended.failed == 0);
  CHECK(count(mended, "is back") >= 1);
  CHECK(mended.endpoints[1].requests * 10 > mended.endpoints[0].requests);
}

TEST_CASE("an upstream that is slow as a whole opens the breaker, and recovers with it closed") {
  const Report report = run(plan("slow-upstream"), GENERATE(1, 2, 3));
  const auto& [calm, slow, mended] = std::tie(report.phases[0], report.phases[1], report.phases[2]);
  CHECK(failed_share(calm) < 0.01);
  CHECK(count(slow, "circuit breaker open") >= 1);
  CHECK(answered(slow, "503 circuit-open") > slow.requests / 3);
  // Nobody waits longer than the route lets them.
  CHECK(slow.longest <= std::chrono::milliseconds(1020));
  CHECK(count(mended, "circuit breaker closed") >= 1);
  CHECK(failed_share(mended) < 0.2);
}

TEST_CASE("a retry storm over two hops stays within the budgets") {
  const Report report = run(plan("retry-storm"), GENERATE(1, 2, 3));
  const auto& [calm, outage, mended] =
      std::tie(report.phases[0], report.phases[1], report.phases[2]);
  CHECK(calm.amplification() < 1.02);
  CHECK(failed_share(outage) > 0.5);
  // 20 % and a little at each of two hops: 1.2 × 1.2, and the floors of three outriggers.
  CHECK(outage.tries_per_request(0) <= 1.22);
  CHECK(outage.amplification() <= 1.5);
  CHECK(outage.hops[0].denied.contains("budget"));
  CHECK(outage.hops[1].denied.contains("nested"));
  CHECK(failed_share(mended) < 0.02);
}

TEST_CASE("without budgets the same storm multiplies, and outlasts its cause") {
  const Report report =
      run(plan("retry-storm", {{"BUDGET", "100"}, {"FLOOR", "100000"}, {"NESTED", "allow"}}), 1);
  const auto& [outage, mended] = std::tie(report.phases[1], report.phases[2]);
  CHECK(outage.amplification() > 5);
  CHECK(mended.amplification() > 5);
  CHECK(failed_share(mended) > 0.3);
}

TEST_CASE("requests without end are left once the scenario is over") {
  Plan hanging = plan("one-bad-endpoint");
  auto config = std::make_shared<config::Config>(*hanging.configs[0]);
  auto& timeouts = config->listeners[0].routes[0].timeouts;
  timeouts.request = timeouts.per_try = timeouts.idle = std::nullopt;
  hanging.configs[0] = config;
  hanging.scenario.endpoints = {{.hang_percent = 100}};
  hanging.scenario.phases = {{.name = "all", .duration = std::chrono::seconds(1)}};
  const Report report = run(hanging, 1);
  CHECK(report.phases[0].requests > 0);
  CHECK(report.phases[0].failed == report.phases[0].requests);
}

}  // namespace
}  // namespace outrigger::simulation
