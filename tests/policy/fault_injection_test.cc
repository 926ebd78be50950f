#include "proxy/policy/fault_injection.h"

#include <cmath>

#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;

const std::chrono::sys_seconds now{1'800'000'000s};
const config::AdminFaults allowed{.max_percent = 25, .max_duration = 1h};

config::Fault allowed_fault() {
  return {.delay = config::FaultDelay{.percent = 25, .duration = 200ms},
          .abort = config::FaultAbort{.percent = 25, .status = 503},
          .until = now + 1h};
}

TEST_CASE("faults strike their share of the requests, delay and abort apart") {
  const config::Fault fault{.delay = config::FaultDelay{.percent = 20, .duration = 200ms},
                            .abort = config::FaultAbort{.percent = 5, .status = 502}};
  constexpr int kDraws = 20'000;
  Random random(7);
  int delays = 0, aborts = 0, both = 0;
  for (int i = 0; i < kDraws; ++i) {
    const auto drawn = draw(fault, random);
    delays += drawn.delay == 200ms;
    aborts += drawn.aborts && drawn.status == 502;
    both += drawn.delay > 0s && drawn.aborts;
  }
  // Five standard deviations of the binomial.
  const auto about = [](int count, double share) {
    return std::abs(count - share * kDraws) < 5 * std::sqrt(kDraws * share * (1 - share));
  };
  CHECK(about(delays, 0.20));
  CHECK(about(aborts, 0.05));
  CHECK(about(both, 0.01));
}

TEST_CASE("0 % strikes none, 100 % strikes all") {
  Random random(1);
  const config::Fault none{.delay = config::FaultDelay{.percent = 0, .duration = 1s},
                           .abort = config::FaultAbort{.percent = 0}};
  const config::Fault all{.delay = config::FaultDelay{.percent = 100, .duration = 1s},
                          .abort = config::FaultAbort{.percent = 100, .status = 0}};
  for (int i = 0; i < 1000; ++i) {
    CHECK(draw(none, random).delay == 0s);
    CHECK_FALSE(draw(none, random).aborts);
    CHECK(draw(all, random).delay == 1s);
    CHECK(draw(all, random).aborts);
    CHECK(draw(all, random).status == 0);
  }
}

TEST_CASE("a fault is over at its until") {
  CHECK_FALSE(over({}, now));
  CHECK_FALSE(over({.until = now + 1s}, now));
  CHECK(over({.until = now}, now));
}

TEST_CASE("at run time a fault stays within what the configuration allows") {
  CHECK_FALSE(refusal(allowed_fault(), allowed, now));
  const auto refused = [](auto change) {
    config::Fault fault = allowed_fault();
    change(fault);
    const auto why = refusal(fault, allowed, now);
    return why ? *why : "";
  };
  using Fault = config::Fault;
  CHECK(refused([](Fault& f) { f.until.reset(); }) ==
        "until is required at run time, a time such as 2026-01-31T18:00:00Z");
  CHECK(refused([](Fault& f) { f.until = now; }) == "until is over already");
  CHECK(refused([](Fault& f) { f.until = now + 1h + 1s; }) ==
        "until is more than admin.faults.max_duration (3600 s) ahead");
  for (const int year : {2300, 2600, 2999}) {
    CHECK(refused([year](Fault& f) {
            f.until = std::chrono::sys_days(std::chrono::year(year) / std::chrono::January / 1);
          }) == "until is more than admin.faults.max_duration (3600 s) ahead");
  }
  CHECK(refused([](Fault& f) { f.delay->percent = 25.5; }) ==
        "delay.percent is 25.5, beyond admin.faults.max_percent (25)");
  CHECK(refused([](Fault& f) { f.abort->percent = 100; }) ==
        "abort.percent is 100, beyond admin.faults.max_percent (25)");
  CHECK(refused([](Fault& f) {
          f.delay.reset();
          f.abort.reset();
        }) == "it has neither delay nor abort");
}

}  // namespace
}  // namespace outrigger::policy
