#include "proxy/policy/optional_breaker.h"

#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;

const TimePoint t0{1h};
const config::CircuitBreaker kSettings{.open_for = 1s};

TEST_CASE("without settings there is no breaker, until a person opens one") {
  OptionalBreaker breaker(1);
  CHECK_FALSE(breaker);
  CHECK_FALSE(breaker.set_by_hand(CircuitByHand::Auto));
  CHECK_FALSE(breaker);

  const auto changes = breaker.set_by_hand(CircuitByHand::Open);
  REQUIRE(changes);
  CHECK(changes->count == 1);
  REQUIRE(breaker);
  CHECK_FALSE(breaker->admit(t0).granted);

  REQUIRE(breaker.set_by_hand(CircuitByHand::Auto));
  CHECK_FALSE(breaker);
}

TEST_CASE("what a person opened survives that its settings come and go") {
  OptionalBreaker breaker(1);
  breaker.configure(kSettings);
  breaker.set_by_hand(CircuitByHand::Open);
  breaker.configure(std::nullopt);
  REQUIRE(breaker);
  CHECK_FALSE(breaker->admit(t0).granted);
  breaker.configure(kSettings);
  CHECK(breaker->settings().open_for == 1s);
  CHECK_FALSE(breaker->admit(t0).granted);

  breaker.set_by_hand(CircuitByHand::Auto);
  REQUIRE(breaker);
  CHECK(breaker->admit(t0).granted);
  breaker.configure(std::nullopt);
  CHECK_FALSE(breaker);
}

TEST_CASE("a breaker that is automatic already is left as it is") {
  OptionalBreaker breaker(1);
  breaker.configure(kSettings);
  for (int i = 0; i < 5; ++i) breaker->record(breaker->admit(t0), Verdict::Failure, t0);
  REQUIRE(breaker->state() == CircuitState::Open);
  breaker.take_untold();

  const auto changes = breaker.set_by_hand(CircuitByHand::Auto);
  REQUIRE(changes);
  CHECK(changes->count == 0);
  CHECK(breaker->state() == CircuitState::Open);
  CHECK(breaker->snapshot(t0).failures == 5);
}

TEST_CASE("each change is told once") {
  OptionalBreaker breaker(1);
  CHECK_FALSE(breaker.take_untold());
  breaker.configure(kSettings);
  CHECK_FALSE(breaker.take_untold());
  breaker.set_by_hand(CircuitByHand::Open);
  CHECK_FALSE(breaker.take_untold());
  breaker.set_by_hand(CircuitByHand::Auto);
  for (int i = 0; i < 5; ++i) breaker->record(breaker->admit(t0), Verdict::Failure, t0);

  const auto changes = breaker.take_untold();
  REQUIRE(changes);
  CHECK(changes->count == 1);
  CHECK(changes->list[0].to == CircuitState::Open);
  CHECK_FALSE(breaker.take_untold());
}

}  // namespace
}  // namespace outrigger::policy
