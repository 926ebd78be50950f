#include "proxy/policy/circuit_breaker.h"

#include <type_traits>

#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;
using Settings = config::CircuitBreaker;
using State = CircuitState;

static_assert(sizeof(CircuitPermit) <= 16);
static_assert(std::is_trivially_copyable_v<CircuitPermit>);

const TimePoint t0{1h};

CircuitBreaker make(const Settings& settings = {}, std::uint64_t seed = 1) {
  return CircuitBreaker(settings, Random(seed));
}

void record(CircuitBreaker& breaker, Verdict verdict, TimePoint now = t0, int times = 1,
            Duration time_to_head = 1ms) {
  for (int i = 0; i < times; ++i) {
    const auto permit = breaker.admit(now);
    if (permit.granted) breaker.record(permit, verdict, now, time_to_head);
  }
}
void succeed(CircuitBreaker& breaker, TimePoint now = t0, int times = 1) {
  record(breaker, Verdict::Success, now, times);
}
void fail(CircuitBreaker& breaker, TimePoint now = t0, int times = 1) {
  record(breaker, Verdict::Failure, now, times);
}

// A breaker that has just opened, and when its rest is over.
struct Opened {
  explicit Opened(const Settings& settings = {}, std::uint64_t seed = 1)
      : breaker(make(settings, seed)) {
    fail(breaker, t0, 5);
    REQUIRE(breaker.state() == State::Open);
    over = t0 + breaker.retry_after(t0);
  }
  CircuitBreaker breaker;
  TimePoint over;
};

// Lets one probe fail; the rest that follows begins at `now`.
Duration fail_probe(CircuitBreaker& breaker, TimePoint now) {
  const auto probe = breaker.admit(now, now + 1s);
  REQUIRE(probe.probe);
  breaker.record(probe, Verdict::Failure, now);
  REQUIRE(breaker.state() == State::Open);
  return breaker.retry_after(now);
}

bool about(Duration actual, Duration expected) {
  return actual >= expected * 9 / 10 && actual <= expected * 11 / 10;
}

Settings with_rate_only() {
  Settings settings;
  settings.consecutive_failures.reset();
  return settings;
}

}  // namespace

// Closed.

TEST_CASE("a new breaker is closed and lets all through") {
  auto breaker = make();
  for (int i = 0; i < 1000; ++i) CHECK(breaker.admit(t0).granted);
  CHECK(breaker.state() == State::Closed);
  CHECK_FALSE(breaker.would_refuse(t0));
  CHECK(breaker.retry_after(t0) == 0s);
  CHECK(breaker.rejected() == 0);
}

TEST_CASE("half of twenty outcomes failed: open") {
  auto breaker = make();
  for (int i = 0; i < 9; ++i) fail(breaker), succeed(breaker);
  succeed(breaker);
  CHECK(breaker.state() == State::Closed);
  fail(breaker);  // the tenth of twenty
  CHECK(breaker.state() == State::Open);
  CHECK(breaker.transitions_to(State::Open) == 1);
}

TEST_CASE("fewer outcomes than min_requests never open it by rate") {
  auto breaker = make(with_rate_only());
  fail(breaker, t0, 19);
  CHECK(breaker.state() == State::Closed);
  fail(breaker);
  CHECK(breaker.state() == State::Open);
}

TEST_CASE("the rate is looked at after each outcome, a success too") {
  auto breaker = make(with_rate_only());
  fail(breaker, t0, 19);
  succeed(breaker);
  CHECK(breaker.state() == State::Open);
}

TEST_CASE("below the rate it stays closed") {
  auto settings = with_rate_only();
  settings.failure_rate_percent = 12.5;
  auto breaker = make(settings);
  for (int i = 0; i < 100; ++i) {
    succeed(breaker, t0, 15);
    fail(breaker, t0, 2);
    succeed(breaker, t0, 15);
  }
  CHECK(breaker.state() == State::Closed);
  for (int i = 0; i < 28 * 100 / 10; ++i) succeed(breaker, t0, 1), fail(breaker, t0, 1);
  CHECK(breaker.state() == State::Open);
}

TEST_CASE("a rate of 0 percent still needs a failure") {
  auto settings = with_rate_only();
  settings.failure_rate_percent = 0;
  auto breaker = make(settings);
  succeed(breaker, t0, 100);
  CHECK(breaker.state() == State::Closed);
  fail(breaker);
  CHECK(breaker.state() == State::Open);
}

TEST_CASE("outcomes that left the window count no more") {
  auto breaker = make(with_rate_only());
  fail(breaker, t0, 19);
  fail(breaker, t0 + 11s, 19);
  CHECK(breaker.state() == State::Closed);
  CHECK(breaker.snapshot(t0 + 11s).failures == 19);
  fail(breaker, t0 + 12s);
  CHECK(breaker.state() == State::Open);
}

TEST_CASE("five failures in a row open it where traffic is slow") {
  auto breaker = make();
  fail(breaker, t0, 4);
  succeed(breaker);
  fail(breaker, t0, 4);
  CHECK(breaker.state() == State::Closed);
  CHECK(breaker.snapshot(t0).consecutive_failures == 4);
  fail(breaker);
  CHECK(breaker.state() == State::Open);
}

TEST_CASE("a row may take longer than the window") {
  auto breaker = make();
  for (int i = 0; i < 5; ++i) fail(breaker, t0 + i * 1min);
  CHECK(breaker.state() == State::Open);
}

TEST_CASE("in a window of min_requests outcomes a row does not open it, unless always") {
  Settings settings;
  const bool always = GENERATE(false, true);
  settings.consecutive_failures = {.count = 5, .always = always};
  auto breaker = make(settings);
  succeed(breaker, t0, 15);
  fail(breaker, t0, 4);
  CHECK(breaker.state() == State::Closed);
  fail(breaker, t0);  // the twentieth outcome
  CHECK((breaker.state() == State::Open) == always);
}

TEST_CASE("one outcome less than min_requests in the window, and a row opens it") {
  auto breaker = make();
  succeed(breaker, t0, 14);
  fail(breaker, t0, 5);
  CHECK(breaker.state() == State::Open);
}

TEST_CASE("consecutive_failures off leaves the row alone") {
  auto breaker = make(with_rate_only());
  succeed(breaker, t0, 100);
  fail(breaker, t0, 99);
  CHECK(breaker.state() == State::Closed);
}

TEST_CASE("uncounted ends are neither in the window nor in a row") {
  auto breaker = make();
  fail(breaker, t0, 4);
  record(breaker, Verdict::Uncounted, t0, 100);
  CHECK(breaker.snapshot(t0).failures == 4);
  CHECK(breaker.snapshot(t0).successes == 0);
  CHECK(breaker.state() == State::Closed);
  fail(breaker);
  CHECK(breaker.state() == State::Open);
}

TEST_CASE("slow calls have a rate of their own") {
  auto settings = with_rate_only();
  settings.slow_call = config::SlowCall{.over = 1s, .rate_percent = 80};
  auto breaker = make(settings);
  record(breaker, Verdict::Success, t0, 4, 1s);  // not over
  record(breaker, Verdict::Success, t0, 15, 1001ms);
  CHECK(breaker.state() == State::Closed);
  CHECK(breaker.snapshot(t0).slow == 15);
  record(breaker, Verdict::Success, t0, 1, 2s);  // 16 of 20
  CHECK(breaker.state() == State::Open);
}

TEST_CASE("slow calls and failures are not added up") {
  auto settings = with_rate_only();
  settings.slow_call = config::SlowCall{.over = 1s, .rate_percent = 50};
  auto breaker = make(settings);
  for (int i = 0; i < 20; ++i) {
    succeed(breaker, t0, 4);
    fail(breaker, t0, 3);
    record(breaker, Verdict::Success, t0, 3, 2s);
  }
  CHECK(breaker.state() == State::Closed);
}

TEST_CASE("without slow_call nothing is slow") {
  auto breaker = make();
  record(breaker, Verdict::Success, t0, 100, 1h);
  CHECK(breaker.state() == State::Closed);
  CHECK(breaker.snapshot(t0).slow == 0);
}

// Open.

TEST_CASE("an open breaker refuses until its rest is over") {
  Opened opened;
  auto& breaker = opened.breaker;
  CHECK(about(breaker.retry_after(t0), 5s));
  CHECK(breaker.would_refuse(opened.over - 1ns));
  CHECK_FALSE(breaker.admit(opened.over - 1ns).granted);
  CHECK(breaker.rejected() == 1);
  CHECK(breaker.retry_after(opened.over - 2s) == 2s);
  CHECK(breaker.retry_after(opened.over + 1s) == 0s);
  CHECK(breaker.state() == State::Open);

  CHECK_FALSE(breaker.would_refuse(opened.over));
  CHECK(breaker.state() == State::Open);  // half-open at the first request, not before
  const auto probe = breaker.admit(opened.over);
  CHECK(probe.granted);
  CHECK(probe.probe);
  CHECK(breaker.state() == State::HalfOpen);
  CHECK(breaker.retry_after(opened.over) == 0s);
  CHECK(breaker.rejected() == 1);
}

TEST_CASE("the rest is open_for with ten percent of jitter either way") {
  Duration least = 1h, most{};
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const Opened opened({}, seed);
    least = std::min(least, opened.breaker.retry_after(t0));
    most = std::max(most, opened.breaker.retry_after(t0));
  }
  CHECK(least >= 4500ms);
  CHECK(least < 4520ms);
  CHECK(most <= 5500ms);
  CHECK(most > 5480ms);
}

TEST_CASE("each failed half-open period doubles the rest, up to max_open_for") {
  Opened opened;
  auto now = opened.over;
  for (const Duration expected : {10s, 20s, 40s, 60s, 60s, 60s}) {
    const Duration rest = fail_probe(opened.breaker, now);
    CHECK(about(rest, expected));
    now += rest;
  }
}

TEST_CASE("a half-open period doubles the rest once, however many of its probes fail") {
  Opened opened;
  auto& breaker = opened.breaker;
  const CircuitPermit probes[] = {breaker.admit(opened.over), breaker.admit(opened.over),
                                  breaker.admit(opened.over)};
  for (const auto& probe : probes) breaker.record(probe, Verdict::Failure, opened.over);
  CHECK(about(breaker.retry_after(opened.over), 10s));
  CHECK(breaker.transitions_to(State::Open) == 2);
}

TEST_CASE("once it has closed, the rest begins at open_for again") {
  Settings settings;
  settings.half_open_requests = 1;
  Opened opened(settings);
  auto& breaker = opened.breaker;
  const auto now = opened.over + fail_probe(breaker, opened.over);
  succeed(breaker, now);
  REQUIRE(breaker.state() == State::Closed);
  fail(breaker, now, 5);
  CHECK(about(breaker.retry_after(now), 5s));
}

TEST_CASE("rests of centuries do not overflow") {
  Settings settings;
  settings.open_for = settings.max_open_for = Duration::max();
  Opened opened(settings);
  CHECK(opened.breaker.retry_after(t0) > 24h * 365 * 200);
}

TEST_CASE("a rest of nothing stays nothing") {
  Settings settings;
  settings.open_for = 0s;
  Opened opened(settings);
  CHECK(opened.over == t0);
  CHECK(fail_probe(opened.breaker, t0) == 0s);
}

// Half-open.

TEST_CASE("at most half_open_requests probes are on their way at once") {
  Opened opened;
  auto& breaker = opened.breaker;
  const auto now = opened.over;
  const auto first = breaker.admit(now);
  CHECK(breaker.admit(now).probe);
  CHECK(breaker.admit(now).probe);
  CHECK(breaker.snapshot(now).probes == 3);
  CHECK(breaker.would_refuse(now));
  CHECK_FALSE(breaker.admit(now).granted);
  CHECK(breaker.rejected() == 1);

  breaker.record(first, Verdict::Success, now);
  CHECK_FALSE(breaker.would_refuse(now));
  CHECK(breaker.admit(now).probe);
  CHECK_FALSE(breaker.admit(now).granted);
}

TEST_CASE("half_open_requests successes close it and clear the window") {
  Opened opened;
  auto& breaker = opened.breaker;
  succeed(breaker, opened.over, 2);
  CHECK(breaker.state() == State::HalfOpen);
  CHECK(breaker.snapshot(opened.over).probe_successes == 2);
  succeed(breaker, opened.over);
  CHECK(breaker.state() == State::Closed);
  const auto snapshot = breaker.snapshot(opened.over);
  CHECK(snapshot.successes + snapshot.failures + snapshot.consecutive_failures == 0);
  fail(breaker, opened.over, 4);  // the row of before is forgotten
  CHECK(breaker.state() == State::Closed);
  CHECK(breaker.transitions_to(State::HalfOpen) == 1);
  CHECK(breaker.transitions_to(State::Closed) == 1);
}

TEST_CASE("the first failure opens it, after however many successes") {
  Opened opened;
  succeed(opened.breaker, opened.over, 2);
  fail(opened.breaker, opened.over);
  CHECK(opened.breaker.state() == State::Open);

  // And the successes of that period are no advance for the next.
  const auto over = opened.over + opened.breaker.retry_after(opened.over);
  succeed(opened.breaker, over, 2);
  CHECK(opened.breaker.state() == State::HalfOpen);
}

TEST_CASE("a probe that ends uncounted gives its place back") {
  Settings settings;
  settings.half_open_requests = 1;
  Opened opened(settings);
  auto& breaker = opened.breaker;
  for (int i = 0; i < 10; ++i) {
    const auto probe = breaker.admit(opened.over);
    REQUIRE(probe.probe);
    CHECK(breaker.would_refuse(opened.over));
    breaker.record(probe, Verdict::Uncounted, opened.over);
    CHECK(breaker.state() == State::HalfOpen);
  }
  CHECK(breaker.snapshot(opened.over).probe_successes == 0);
}

TEST_CASE("a probe that is unanswered after its deadline gives its place back") {
  Settings settings;
  settings.half_open_requests = 1;
  Opened opened(settings);
  auto& breaker = opened.breaker;
  const auto deadline = opened.over + 2s;
  const auto lost = breaker.admit(opened.over, deadline);
  CHECK(breaker.would_refuse(deadline));
  CHECK_FALSE(breaker.would_refuse(deadline + kProbeGrace));
  const auto next = breaker.admit(deadline + kProbeGrace);
  CHECK(next.probe);

  SECTION("an answer after that is ignored") {
    const auto verdict = GENERATE(Verdict::Success, Verdict::Failure, Verdict::Uncounted);
    breaker.record(lost, verdict, deadline + kProbeGrace);
    CHECK(breaker.state() == State::HalfOpen);
    CHECK(breaker.snapshot(deadline).probe_successes == 0);
    CHECK(breaker.would_refuse(deadline + kProbeGrace));  // the place is another's now
  }
  SECTION("the one that took the place decides") {
    breaker.record(next, Verdict::Success, deadline + 1s);
    CHECK(breaker.state() == State::Closed);
  }
}

TEST_CASE("an answer after the deadline is ignored even where nobody has asked for the place") {
  Opened opened;
  const auto late = opened.breaker.admit(opened.over, opened.over + 2s);
  opened.breaker.record(late, Verdict::Failure, opened.over + 2s + kProbeGrace);
  CHECK(opened.breaker.state() == State::HalfOpen);
  CHECK(opened.breaker.snapshot(opened.over).probes == 0);
}

TEST_CASE("a probe that its own deadline has cut is a failure, told as late as a timer is") {
  Opened opened;
  const auto probe = opened.breaker.admit(opened.over, opened.over + 2s);
  opened.breaker.record(probe, Verdict::Failure, opened.over + 2s + 15ms);
  CHECK(opened.breaker.state() == State::Open);
}

TEST_CASE("a probe without a deadline gives its place back after open_for") {
  Settings settings;
  settings.half_open_requests = 1;
  Opened opened(settings);
  REQUIRE(opened.breaker.admit(opened.over).probe);
  CHECK(opened.breaker.would_refuse(opened.over + 5s - 1ns));
  CHECK_FALSE(opened.breaker.would_refuse(opened.over + 5s));
  CHECK(opened.breaker.admit(opened.over + 5s).probe);
}

TEST_CASE("of several probes each gives its place back at its own time") {
  Opened opened;
  auto& breaker = opened.breaker;
  const auto now = opened.over;
  for (const auto wait : {3s, 1s, 2s}) CHECK(breaker.admit(now, now + wait - kProbeGrace).probe);
  for (const auto wait : {1s, 2s, 3s}) {
    CHECK(breaker.would_refuse(now + wait - 1ns));
    CHECK_FALSE(breaker.admit(now + wait - 1ns).granted);
    CHECK_FALSE(breaker.would_refuse(now + wait));
    CHECK(breaker.admit(now + wait, now + 1h).probe);
    CHECK(breaker.would_refuse(now + wait));
  }
}

// Generations.

TEST_CASE("a result from an earlier state is ignored") {
  auto breaker = make();
  const auto early = breaker.admit(t0);
  fail(breaker, t0, 5);
  const auto over = t0 + breaker.retry_after(t0);
  const auto verdict = GENERATE(Verdict::Success, Verdict::Failure);

  SECTION("while open") {
    breaker.record(early, verdict, t0);
    CHECK(breaker.retry_after(t0) == over - t0);
    CHECK(breaker.transitions_to(State::Open) == 1);
  }
  SECTION("while half-open") {
    succeed(breaker, over, 2);
    breaker.record(early, verdict, over);
    CHECK(breaker.state() == State::HalfOpen);
    CHECK(breaker.snapshot(over).probe_successes == 2);
  }
  SECTION("closed again") {
    succeed(breaker, over, 3);
    breaker.record(early, verdict, over);
    CHECK(breaker.snapshot(over).successes + breaker.snapshot(over).failures == 0);
  }
}

TEST_CASE("a probe of an earlier half-open period is ignored in a later one") {
  Opened opened;
  auto& breaker = opened.breaker;
  const auto early = breaker.admit(opened.over, opened.over + 1h);
  const auto later = opened.over + fail_probe(breaker, opened.over);
  succeed(breaker, later, 2);
  breaker.record(early, GENERATE(Verdict::Success, Verdict::Failure), later);
  CHECK(breaker.state() == State::HalfOpen);
  CHECK(breaker.snapshot(later).probe_successes == 2);
}

TEST_CASE("probes still out when it closes count neither as probes nor in the window") {
  Opened opened;
  auto& breaker = opened.breaker;
  const auto last = breaker.admit(opened.over);
  succeed(breaker, opened.over, 3);
  REQUIRE(breaker.state() == State::Closed);
  breaker.record(last, Verdict::Failure, opened.over);
  CHECK(breaker.snapshot(opened.over).failures == 0);
}

TEST_CASE("a permit of no breaker is recorded nowhere") {
  auto breaker = make();
  for (int i = 0; i < 100; ++i) breaker.record({.granted = true}, Verdict::Failure, t0);
  CHECK(breaker.state() == State::Closed);
  CHECK(breaker.snapshot(t0).failures == 0);
}

// Mode and reload.

TEST_CASE("an observing breaker counts and reports, but lets everything through") {
  Settings settings;
  settings.mode = config::PolicyMode::Observe;
  Opened opened(settings);
  auto& breaker = opened.breaker;
  CHECK(breaker.transitions_to(State::Open) == 1);
  CHECK_FALSE(breaker.would_refuse(t0));
  const auto shadow = breaker.admit(t0);
  CHECK(shadow.granted);
  CHECK_FALSE(shadow.probe);
  CHECK(breaker.rejected() == 1);
  breaker.record(shadow, Verdict::Success, t0);  // as if it had been refused
  CHECK(breaker.state() == State::Open);

  // Half-open: so many are probes, and they alone decide.
  for (int i = 0; i < 3; ++i) CHECK(breaker.admit(opened.over).probe);
  const auto beyond = breaker.admit(opened.over);
  CHECK(beyond.granted);
  CHECK(breaker.rejected() == 2);
  breaker.record(beyond, Verdict::Failure, opened.over);
  CHECK(breaker.state() == State::HalfOpen);
  CHECK_FALSE(breaker.would_refuse(opened.over));
}

TEST_CASE("an observing breaker goes the way of an enforcing one") {
  Settings settings;
  auto enforcing = make(settings, 9);
  settings.mode = config::PolicyMode::Observe;
  auto observing = make(settings, 9);
  Random random(5);
  auto now = t0;
  for (int i = 0; i < 50000; ++i) {
    now += Duration(random.below(40'000'000));
    const bool bad_times = seconds(now - t0) / 60 - static_cast<int>(seconds(now - t0) / 60) < 0.4;
    const auto verdict = bad_times && random.below(4) > 0 ? Verdict::Failure : Verdict::Success;
    const auto one = enforcing.admit(now);
    const auto other = observing.admit(now);
    REQUIRE(other.granted);
    if (one.granted) enforcing.record(one, verdict, now);
    observing.record(other, verdict, now);
    REQUIRE(enforcing.state() == observing.state());
    REQUIRE(enforcing.rejected() == observing.rejected());
  }
  CHECK(enforcing.transitions_to(State::Closed) > 3);
  CHECK(enforcing.transitions_to(State::Open) > 10);
}

TEST_CASE("a reload keeps state, window and the rest that has begun") {
  auto breaker = make();
  succeed(breaker, t0, 3);
  fail(breaker, t0, 4);
  Settings settings;
  settings.window = 20s;
  breaker.configure(settings);
  CHECK(breaker.snapshot(t0).successes == 3);
  CHECK(breaker.snapshot(t0).failures == 4);
  fail(breaker, t0);
  REQUIRE(breaker.state() == State::Open);
  const auto rest = breaker.retry_after(t0);

  settings.open_for = 1s;
  settings.half_open_requests = 1;
  breaker.configure(settings);
  CHECK(breaker.state() == State::Open);
  CHECK(breaker.retry_after(t0) == rest);
  CHECK(about(fail_probe(breaker, t0 + rest), 2s));  // from now on the new ones
}

TEST_CASE("a reload lengthens the window of slow calls, too") {
  auto settings = with_rate_only();
  settings.slow_call = config::SlowCall{};
  auto breaker = make(settings);
  record(breaker, Verdict::Success, t0, 19, 2s);
  settings.window = 60s;
  breaker.configure(settings);
  record(breaker, Verdict::Success, t0 + 30s, 1, 2s);
  CHECK(breaker.state() == State::Open);
}

TEST_CASE("a reload may raise and lower half_open_requests while probes are out") {
  Opened opened;
  auto& breaker = opened.breaker;
  Settings settings;
  settings.half_open_requests = 5;
  const auto first = breaker.admit(opened.over);
  breaker.configure(settings);
  CircuitPermit last;
  for (int i = 0; i < 4; ++i) last = breaker.admit(opened.over);
  CHECK(last.probe);
  CHECK_FALSE(breaker.admit(opened.over).granted);
  settings.half_open_requests = 1;
  breaker.configure(settings);
  SECTION("one success is enough now") {
    breaker.record(first, Verdict::Success, opened.over);
    CHECK(breaker.state() == State::Closed);
  }
  SECTION("those beyond the new number still count") {
    breaker.record(last, Verdict::Failure, opened.over);
    CHECK(breaker.state() == State::Open);
  }
}

TEST_CASE("the probe of a breaker that a reload took away means nothing to its successor") {
  Settings settings;
  settings.half_open_requests = 100;
  Opened old(settings);
  CircuitPermit permit;
  for (int i = 0; i < 100; ++i) permit = old.breaker.admit(old.over);
  Opened opened;
  REQUIRE(opened.breaker.admit(opened.over).generation == permit.generation);
  opened.breaker.record(permit, Verdict::Failure, opened.over);
  CHECK(opened.breaker.state() == State::HalfOpen);
}

// At random.

TEST_CASE("would_refuse foretells admit, and probes never exceed their number") {
  Settings settings;
  settings.open_for = 500ms;
  Random random(GENERATE(1u, 2u, 3u));
  CircuitBreaker breaker(settings, random);
  std::vector<CircuitPermit> out;
  auto now = t0;
  std::uint64_t refused = 0;
  for (int i = 0; i < 50000; ++i) {
    now += Duration(random.below(20'000'000));
    const bool foretold = breaker.would_refuse(now);
    const auto permit = breaker.admit(now, random.below(2) ? kNever : now + 300ms);
    REQUIRE(permit.granted != foretold);
    refused += !permit.granted;
    if (permit.granted) out.push_back(permit);
    REQUIRE(breaker.snapshot(now).probes <= settings.half_open_requests);
    while (!out.empty() && random.below(4) > 0) {
      std::swap(out[random.below(static_cast<std::uint32_t>(out.size()))], out.back());
      breaker.record(out.back(), static_cast<Verdict>(random.below(3)), now);
      out.pop_back();
    }
  }
  CHECK(breaker.rejected() == refused);
  CHECK(refused > 0);
  CHECK(breaker.transitions_to(State::Closed) > 0);
}

TEST_CASE("a breaker allocates nothing at work") {
  Opened opened;
  auto& breaker = opened.breaker;
  const auto before = test::allocations();
  auto now = opened.over;
  for (int i = 0; i < 1000; ++i, now += 100ms) {
    const auto permit = breaker.admit(now);
    if (permit.granted) breaker.record(permit, i % 7 ? Verdict::Success : Verdict::Failure, now);
  }
  CHECK(test::allocations() == before);
}

// Verdicts.

TEST_CASE("what counts as a failure for a breaker") {
  using Out = TryOutcome;
  using Kind = config::BreakerFailure;
  const Settings all;
  const auto verdict = [&](TryOutcome outcome, int status = 0) {
    return breaker_verdict(all, {.outcome = outcome, .status = status});
  };
  for (const int status : {101, 200, 204, 301, 404, 409, 429, 499}) {
    CHECK(verdict(Out::Response, status) == Verdict::Success);
  }
  for (const int status : {500, 501, 503, 505, 599, 700}) {
    CHECK(verdict(Out::Response, status) == Verdict::Failure);
  }
  CHECK(verdict(Out::StaleConnection) == Verdict::Uncounted);
  CHECK(verdict(Out::Abandoned) == Verdict::Uncounted);

  const std::pair<TryOutcome, Kind> kinds[] = {{Out::ConnectRefused, Kind::ConnectFailure},
                                               {Out::ConnectTimeout, Kind::ConnectFailure},
                                               {Out::ResetBeforeRequest, Kind::Reset},
                                               {Out::Reset, Kind::Reset},
                                               {Out::BadResponse, Kind::Reset},
                                               {Out::PerTryTimeout, Kind::Timeout},
                                               {Out::RequestTimeout, Kind::Timeout}};
  for (const auto& [outcome, kind] : kinds) {
    CHECK(verdict(outcome) == Verdict::Failure);
    Settings others;
    others.failures.erase(kind);
    CHECK(breaker_verdict(others, {.outcome = outcome}) == Verdict::Uncounted);
    Settings only;
    only.failures = {kind};
    CHECK(breaker_verdict(only, {.outcome = outcome}) == Verdict::Failure);
    CHECK(breaker_verdict(only, {.status = 503}) == Verdict::Success);
  }
}

// By hand.

TEST_CASE("a breaker open by hand refuses all, however long, until it is automatic again") {
  auto breaker = make();
  breaker.set_by_hand(CircuitByHand::Open);
  CHECK(breaker.state() == State::Open);
  CHECK(breaker.retry_after(t0) == 5s);
  for (const Duration later : {0s, 10s, 3600s}) {
    CHECK(breaker.would_refuse(t0 + later));
    CHECK_FALSE(breaker.admit(t0 + later).granted);
  }
  CHECK(breaker.rejected() == 3);

  breaker.set_by_hand(CircuitByHand::Auto);
  CHECK(breaker.state() == State::Closed);
  CHECK_FALSE(breaker.would_refuse(t0 + 3600s));
  CHECK(breaker.admit(t0 + 3600s).granted);
  CHECK(breaker.retry_after(t0 + 3600s) == 0s);
}

TEST_CASE("a breaker that observes refuses where a person opened it") {
  auto breaker = make({.mode = config::PolicyMode::Observe});
  breaker.set_by_hand(CircuitByHand::Open);
  CHECK(breaker.would_refuse(t0));
  CHECK_FALSE(breaker.admit(t0).granted);
}

TEST_CASE(
    "a breaker closed by hand counts and never opens; automatic, it begins with a clear window") {
  Opened opened;
  auto& breaker = opened.breaker;
  breaker.set_by_hand(CircuitByHand::Closed);
  CHECK(breaker.state() == State::Closed);
  fail(breaker, t0, 30);
  CHECK(breaker.state() == State::Closed);
  CHECK_FALSE(breaker.would_refuse(t0));
  CHECK(breaker.snapshot(t0).failures == 35);
  CHECK(breaker.snapshot(t0).consecutive_failures == 35);

  breaker.set_by_hand(CircuitByHand::Auto);
  CHECK(breaker.snapshot(t0).failures == 0);
  fail(breaker, t0, 4);
  CHECK(breaker.state() == State::Closed);
  fail(breaker);
  CHECK(breaker.state() == State::Open);
}

TEST_CASE("a probe on its way when a person opens or closes the breaker says nothing any more") {
  for (const auto by_hand : {CircuitByHand::Open, CircuitByHand::Closed}) {
    Opened opened;
    const auto probe = opened.breaker.admit(opened.over);
    REQUIRE(probe.probe);
    opened.breaker.set_by_hand(by_hand);
    const auto state = opened.breaker.state();
    opened.breaker.record(probe, Verdict::Failure, opened.over);
    CHECK(opened.breaker.state() == state);
    CHECK(opened.breaker.snapshot(opened.over).probes == 0);
  }
}

TEST_CASE("new settings leave what was said by hand") {
  auto breaker = make();
  breaker.set_by_hand(CircuitByHand::Open);
  breaker.configure({.open_for = 1s});
  CHECK(breaker.by_hand() == CircuitByHand::Open);
  CHECK_FALSE(breaker.admit(t0 + 1h).granted);
}

TEST_CASE("by hand only a change of state counts as a transition") {
  auto breaker = make();
  breaker.set_by_hand(CircuitByHand::Closed);
  CHECK(breaker.transitions_to(State::Closed) == 0);
  breaker.set_by_hand(CircuitByHand::Open);
  breaker.set_by_hand(CircuitByHand::Open);
  CHECK(breaker.transitions_to(State::Open) == 1);
  breaker.set_by_hand(CircuitByHand::Auto);
  CHECK(breaker.transitions_to(State::Closed) == 1);
  CHECK(breaker.change_count() == 4);
}

// What it did and why.

TEST_CASE("each change says why it came, with its numbers") {
  using Reason = CircuitChange::Reason;
  auto breaker = make({.open_for = 1s, .half_open_requests = 2});
  CHECK(breaker.changes_after(0).count == 0);
  fail(breaker, t0, 5);
  const TimePoint over = t0 + breaker.retry_after(t0);
  succeed(breaker, over, 2);

  const auto changes = breaker.changes_after(0);
  REQUIRE(changes.count == 3);
  CHECK(changes.list[0].to == State::Open);
  CHECK(changes.list[0].reason == Reason::FailuresInARow);
  CHECK(changes.list[0].bad == 5);
  CHECK(changes.list[0].rest == over - t0);
  CHECK(changes.list[1].from == State::Open);
  CHECK(changes.list[1].to == State::HalfOpen);
  CHECK(changes.list[1].reason == Reason::Rested);
  CHECK(changes.list[2].to == State::Closed);
  CHECK(changes.list[2].reason == Reason::ProbesSucceeded);
  CHECK(changes.list[2].outcomes == 2);
  CHECK(breaker.changes_after(2).count == 1);
  CHECK(breaker.changes_after(2).list[0].to == State::Closed);
  CHECK(breaker.changes_after(3).count == 0);
}

TEST_CASE("a breaker that a rate opened names the rate") {
  auto breaker = make(with_rate_only());
  succeed(breaker, t0, 10);
  fail(breaker, t0, 10);
  REQUIRE(breaker.state() == State::Open);
  const auto change = breaker.changes_after(0).list[0];
  CHECK(change.reason == CircuitChange::Reason::FailureRate);
  CHECK(change.bad == 10);
  CHECK(change.outcomes == 20);
}

TEST_CASE("only the newest changes are kept") {
  auto breaker = make();
  for (int i = 0; i < 3; ++i) {
    breaker.set_by_hand(CircuitByHand::Open);
    breaker.set_by_hand(CircuitByHand::Auto);
  }
  const auto changes = breaker.changes_after(0);
  REQUIRE(changes.count == CircuitBreaker::kKeptChanges);
  CHECK(changes.list[3].by_hand == CircuitByHand::Auto);
  CHECK(changes.list[2].by_hand == CircuitByHand::Open);
}

}  // namespace outrigger::policy
