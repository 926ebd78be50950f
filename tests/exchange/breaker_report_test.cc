#include "proxy/exchange/breaker_report.h"

#include "tests/support/catch.h"

namespace outrigger::exchange {
namespace {

using namespace std::chrono_literals;
using policy::CircuitByHand;
using policy::CircuitState;
using Reason = policy::CircuitChange::Reason;

TEST_CASE("a breaker's change is told with its numbers") {
  CHECK(cause_of({.to = CircuitState::Open,
                  .reason = Reason::FailureRate,
                  .bad = 12,
                  .outcomes = 20,
                  .rest = 5250ms}) == "12 of 20 failed; open for 5.2 s");
  CHECK(cause_of(
            {.to = CircuitState::Open, .reason = Reason::FailuresInARow, .bad = 5, .rest = 1s}) ==
        "5 failures in a row; open for 1.0 s");
  CHECK(cause_of({.to = CircuitState::Open,
                  .reason = Reason::FailuresInARow,
                  .observed = true,
                  .bad = 5,
                  .rest = 1s}) ==
        "5 failures in a row; open for 1.0 s, but mode is observe: nothing is refused");
  CHECK(cause_of({.to = CircuitState::HalfOpen, .reason = Reason::Rested}) == "its rest is over");
  CHECK(cause_of({.to = CircuitState::Closed, .reason = Reason::ProbesSucceeded, .outcomes = 3}) ==
        "3 probes succeeded");
}

TEST_CASE("breakers' changes become events, in their order") {
  Events events([] { return std::int64_t{0}; });
  policy::OptionalBreaker breaker(1);
  report(breaker.take_untold(), "route", "a", &events);
  CHECK(events.last_sequence() == 0);

  report(breaker.set_by_hand(CircuitByHand::Open), "route", "a", &events);
  report(breaker.set_by_hand(CircuitByHand::Auto), "route", "a", &events);
  const auto all = events.since(0);
  REQUIRE(all.size() == 2);
  CHECK(all[0].kind == EventKind::CircuitBreaker);
  CHECK(all[0].scope == "route");
  CHECK(all[0].name == "a");
  CHECK(all[0].to == "open");
  CHECK(all[0].by_hand);
  CHECK(all[1].to == "closed");
}

}  // namespace
}  // namespace outrigger::exchange
