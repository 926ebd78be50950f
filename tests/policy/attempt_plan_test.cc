#include "proxy/policy/attempt_plan.h"

#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;
using Do = AttemptPlan::Do;
using Why = AttemptPlan::Why;

constexpr TimePoint t0{1000s};

// A cluster that answers as it is told.
struct Gate final : RetryGate {
  bool other = true;
  Answer answer = Answer::Granted;
  int asked = 0;
  bool cost = false;
  bool only_elsewhere = false;

  bool other_endpoint_usable() override { return other; }
  Answer grant_retry(bool costs_budget, bool elsewhere, TimePoint) override {
    ++asked;
    cost = costs_budget;
    only_elsewhere = elsewhere;
    return answer;
  }
};

struct Fixture {
  PlanSettings settings{.request = 10s,
                        .per_try = 1s,
                        .idle = 60s,
                        .tunnel_idle = 1h,
                        .pending_timeout = 2s,
                        .retry = RetryRule(config::Retry{}),
                        .backoff = {.base = 0ms, .max = 0ms},
                        .respect_retry_after = 1s};
  Gate gate;
  Random random{1};

  AttemptPlan plan(AttemptPlan::Request request = {.repeatable = true}) {
    return AttemptPlan(settings, request, t0);
  }
  AttemptPlan::Action started(AttemptPlan& plan, TimePoint now, std::uint32_t lane = 0,
                              std::optional<Duration> hedge_after = {}) {
    return plan.on_started(lane, hedge_after, now);
  }
  AttemptPlan::Action ended(AttemptPlan& plan, const TryEnd& end, TimePoint now = t0,
                            std::optional<Duration> retry_after = {}, bool replayable = true) {
    return plan.on_ended(0, end, retry_after, replayable, gate, random, now);
  }
};

constexpr TryEnd kRefused{.outcome = TryOutcome::ConnectRefused, .processed = Processed::NotSent};
constexpr TryEnd kReset{.outcome = TryOutcome::Reset};
constexpr TryEnd kStale{.outcome = TryOutcome::StaleConnection};
constexpr TryEnd k200{.status = 200};
constexpr TryEnd k503{.status = 503};
constexpr TryEnd k429{.status = 429};

TEST_CASE_METHOD(Fixture, "the request timeout counts from the last byte of the request") {
  auto p = plan();
  started(p, t0);
  CHECK(p.request_deadline() == kNever);
  p.on_request_complete(t0 + 3s);
  CHECK(p.request_deadline() == t0 + 13s);
}

TEST_CASE_METHOD(Fixture, "it waits for whichever limit comes first") {
  auto p = plan();
  CHECK(p.on_request_complete(t0).until == t0 + 10s);
  CHECK(p.on_queued(t0).until == t0 + 2s);
  CHECK(started(p, t0 + 1s).until == t0 + 2s);
}

TEST_CASE_METHOD(Fixture, "of limits due together the request's is named, then the try's") {
  auto p = plan();
  p.on_request_complete(t0);
  started(p, t0 + 9s);
  const auto action = p.on_time(t0 + 10s);
  CHECK(action.what == Do::Fail);
  CHECK(action.why == Why::RequestTimeout);
}

TEST_CASE_METHOD(Fixture, "a try that takes too long is given up, and judged as such") {
  auto p = plan();
  p.on_request_complete(t0);
  started(p, t0);
  CHECK(p.on_time(t0 + 999ms).what == Do::Wait);
  const auto action = p.on_time(t0 + 1s);
  CHECK(action.what == Do::GiveUp);
  CHECK(action.outcome == TryOutcome::PerTryTimeout);
  // per-try-timeout is not in the default list.
  CHECK(ended(p, {.outcome = TryOutcome::PerTryTimeout}, t0 + 1s).what == Do::Fail);
}

TEST_CASE_METHOD(Fixture, "the queue has a time limit of its own") {
  auto p = plan();
  p.on_request_complete(t0);
  p.on_queued(t0);
  CHECK(p.on_time(t0 + 1999ms).what == Do::Wait);
  CHECK(p.on_time(t0 + 2s).why == Why::QueueTimeout);
}

TEST_CASE_METHOD(Fixture, "silence in both directions ends it, and each byte starts it anew") {
  settings.request.reset();
  settings.per_try.reset();
  auto p = plan();
  started(p, t0);
  p.touch(t0 + 50s);
  CHECK(p.on_time(t0 + 60s).what == Do::Wait);
  const auto action = p.on_time(t0 + 110s);
  CHECK(action.what == Do::Fail);
  CHECK(action.why == Why::IdleTimeout);
}

TEST_CASE_METHOD(Fixture, "a try that begins after a silence is not idle from its start") {
  settings.per_try.reset();
  settings.request.reset();
  auto p = plan();
  p.on_request_complete(t0);
  started(p, t0);
  REQUIRE(p.on_time(t0 + 60s).why == Why::IdleTimeout);
  p.on_fallback();
  CHECK(started(p, t0 + 60s).until == t0 + 120s);
}

TEST_CASE_METHOD(Fixture, "a response that waits for its caller is not idle") {
  settings.request.reset();
  auto p = plan();
  p.on_request_complete(t0);
  started(p, t0);
  p.on_relayed(false, t0);
  CHECK(p.on_held_up(true, t0 + 1s).until == kNever);
  CHECK(p.on_time(t0 + 500s).what == Do::Wait);
  CHECK(p.on_held_up(false, t0 + 500s).until == t0 + 560s);
  CHECK(p.on_time(t0 + 560s).why == Why::IdleTimeout);
}

TEST_CASE_METHOD(Fixture, "a caller's deadline counts from the head and only ever shortens") {
  auto p = plan({.repeatable = true, .caller_deadline = t0 + 4s});
  CHECK(p.request_deadline() == t0 + 4s);
  p.on_request_complete(t0 + 1s);
  CHECK(p.request_deadline() == t0 + 4s);
  CHECK(p.deadline_is_callers());

  auto patient = plan({.repeatable = true, .caller_deadline = t0 + 1h});
  patient.on_request_complete(t0);
  CHECK(patient.request_deadline() == t0 + 10s);
  CHECK_FALSE(patient.deadline_is_callers());
}

TEST_CASE_METHOD(Fixture, "while the request still arrives its try's time stands still") {
  settings.max_hedges = 1;
  settings.request.reset();
  settings.idle.reset();
  auto p = plan();
  CHECK(started(p, t0, 0, 50ms).until == kNever);
  CHECK(p.on_time(t0 + 9s).what == Do::Wait);
  CHECK(p.on_request_complete(t0 + 10s).until == t0 + 10s + 50ms);
  CHECK(p.on_time(t0 + 10s + 50ms).what == Do::Hedge);
  CHECK(p.on_time(t0 + 11s).what == Do::GiveUp);
}

TEST_CASE_METHOD(Fixture, "the end of a request whose try has failed meanwhile starts no clock") {
  settings.request.reset();
  settings.idle.reset();
  settings.retry.reset();
  auto p = plan();
  started(p, t0);
  ended(p, k503);
  CHECK(p.on_request_complete(t0 + 1s).until == kNever);
}

TEST_CASE_METHOD(Fixture, "a backoff that cannot end before the caller's deadline is not begun") {
  settings.backoff = {.base = 1s, .max = 1s};
  auto p = plan({.repeatable = true, .caller_deadline = t0 + 1ns});
  p.on_request_complete(t0);
  started(p, t0);
  CHECK(ended(p, k503).what == Do::Relay);
  CHECK(p.denial() == Denial::Deadline);
}

TEST_CASE_METHOD(Fixture, "a head that takes long is hedged, as often as it may be") {
  settings.max_hedges = 1;
  settings.per_try.reset();
  auto p = plan();
  p.on_request_complete(t0);
  CHECK(started(p, t0, 0, 50ms).until == t0 + 50ms);
  CHECK(p.on_time(t0 + 49ms).what == Do::Wait);
  CHECK(p.on_time(t0 + 50ms).what == Do::Hedge);
  p.on_hedge_begun();
  CHECK(started(p, t0 + 50ms, 1, 50ms).until == t0 + 10s);
  CHECK(p.on_time(t0 + 100ms).what == Do::Wait);
}

TEST_CASE_METHOD(Fixture, "what may not be sent again is not hedged") {
  settings.max_hedges = 1;
  const auto hedged = [&](AttemptPlan::Request request) {
    auto p = plan(request);
    p.on_request_complete(t0);
    started(p, t0, 0, 50ms);
    return p.on_time(t0 + 50ms).what == Do::Hedge;
  };
  CHECK(hedged({.repeatable = true}));
  CHECK_FALSE(hedged({.repeatable = false}));
  CHECK_FALSE(hedged({.repeatable = true, .nested = true}));
  settings.retry.reset();
  CHECK_FALSE(hedged({.repeatable = true}));
}

TEST_CASE_METHOD(Fixture, "while another try is under way a bad one is dropped, a good one wins") {
  settings.max_hedges = 1;
  const auto both = [&] {
    auto p = plan();
    p.on_request_complete(t0);
    started(p, t0, 0, 50ms);
    p.on_hedge_begun();
    started(p, t0 + 50ms, 1);
    return p;
  };
  auto good = both();
  CHECK(ended(good, k200, t0 + 60ms).what == Do::Relay);
  auto named = both();
  CHECK(ended(named, k503, t0 + 60ms).what == Do::Wait);
  auto lost = both();
  CHECK(ended(lost, kRefused, t0 + 60ms).what == Do::Wait);
  CHECK(gate.asked == 0);
  // The one that is left is an ordinary one.
  CHECK(lost.on_ended(1, kRefused, {}, true, gate, random, t0 + 70ms).what == Do::Start);
  CHECK(gate.asked == 1);
}

TEST_CASE_METHOD(Fixture, "where no retry is left the first head wins, however bad it is") {
  settings.max_hedges = 1;
  settings.retry.emplace(config::Retry{.max_retries = 0});
  auto p = plan();
  p.on_request_complete(t0);
  started(p, t0, 0, 50ms);
  p.on_hedge_begun();
  started(p, t0 + 50ms, 1);
  CHECK(ended(p, k503, t0 + 60ms).what == Do::Relay);
}

TEST_CASE_METHOD(Fixture, "each try under way has its own per_try") {
  settings.max_hedges = 1;
  auto p = plan();
  p.on_request_complete(t0);
  started(p, t0, 0, 400ms);
  p.on_hedge_begun();
  started(p, t0 + 400ms, 1);
  const auto first = p.on_time(t0 + 1s);
  CHECK(first.what == Do::GiveUp);
  CHECK(first.lane == 0);
  ended(p, {.outcome = TryOutcome::PerTryTimeout}, t0 + 1s);
  CHECK(p.on_time(t0 + 1s).until == t0 + 1400ms);
  CHECK(p.on_time(t0 + 1400ms).lane == 1);
}

TEST_CASE_METHOD(Fixture, "a fallback's try is the last one") {
  settings.max_hedges = 1;
  auto p = plan();
  p.on_request_complete(t0);
  p.on_fallback();
  CHECK(started(p, t0, 0, 50ms).until == t0 + 1s);
  CHECK(ended(p, k503).what == Do::Relay);
  CHECK(gate.asked == 0);
}

TEST_CASE_METHOD(Fixture, "a tunnel has only tunnel_idle") {
  auto p = plan();
  p.on_request_complete(t0);
  started(p, t0);
  CHECK(p.on_relayed(true, t0).until == t0 + 1h);
  CHECK(p.on_time(t0 + 100s).what == Do::Wait);
  CHECK(p.on_time(t0 + 1h).why == Why::TunnelIdleTimeout);
}

TEST_CASE_METHOD(Fixture, "a good response is passed on and nothing is asked of the cluster") {
  auto p = plan();
  started(p, t0);
  CHECK(ended(p, k200).what == Do::Relay);
  CHECK(gate.asked == 0);
}

TEST_CASE_METHOD(Fixture, "a failed try is followed by another, max_retries times") {
  auto p = plan();
  for (int i = 0; i < 2; ++i) {
    CHECK(ended(p, kReset).what == Do::Start);
    started(p, t0);
  }
  CHECK(ended(p, kReset).what == Do::Fail);
  CHECK(p.denial() == Denial::MaxRetries);
}

TEST_CASE_METHOD(Fixture, "the last real response is passed on where no retry is granted") {
  gate.answer = RetryGate::Answer::Budget;
  auto p = plan();
  const auto action = ended(p, k503);
  CHECK(action.what == Do::Relay);
  CHECK(p.denial() == Denial::Budget);
}

TEST_CASE_METHOD(Fixture, "what may have been processed is not sent again unless it may be") {
  auto p = plan({.repeatable = false});
  CHECK(ended(p, kReset).what == Do::Fail);
  CHECK(p.denial() == Denial::Method);
  auto q = plan({.repeatable = false});
  CHECK(ended(q, kRefused).what == Do::Start);
}

TEST_CASE_METHOD(Fixture, "a body that is no longer kept cannot be sent again") {
  auto p = plan();
  CHECK(ended(p, kReset, t0, {}, false).what == Do::Fail);
  CHECK(p.denial() == Denial::BodyTooLarge);
}

TEST_CASE_METHOD(Fixture, "a stale connection costs neither a retry nor budget, once") {
  auto p = plan();
  CHECK(ended(p, kStale).what == Do::Start);
  CHECK_FALSE(gate.cost);
  CHECK(ended(p, kStale).what == Do::Fail);
}

TEST_CASE_METHOD(Fixture, "a backoff that cannot end before the deadline is not begun") {
  settings.backoff = {.base = 100s, .max = 100s};
  auto p = plan();
  p.on_request_complete(t0);
  started(p, t0);
  // A tenth of all backoffs would fit; one of a hundred tries surely would not.
  bool denied = false;
  for (int i = 0; i < 100 && !denied; ++i) {
    auto q = plan();
    q.on_request_complete(t0);
    denied = ended(q, kReset, t0 + 5s).what == Do::Fail && q.denial() == Denial::Deadline;
  }
  CHECK(denied);
  CHECK(gate.asked <= 99);
}

TEST_CASE_METHOD(Fixture, "a backoff is waited for, then the try starts") {
  settings.backoff = {.base = 4s, .max = 4s};
  auto p = plan();
  p.on_request_complete(t0);
  const auto action = ended(p, kReset);
  REQUIRE(action.what == Do::Wait);
  REQUIRE(action.until <= t0 + 4s);
  CHECK(p.on_time(action.until - 1ns).what == Do::Wait);
  CHECK(p.on_time(action.until).what == Do::Start);
}

TEST_CASE_METHOD(Fixture, "Retry-After replaces the backoff, and a long one ends the retries") {
  config::Retry retry;
  retry.retry_on.words.insert(config::RetryWord::RateLimited);
  settings.retry.emplace(retry);
  auto p = plan();
  p.on_request_complete(t0);
  const auto action = ended(p, k429, t0, 700ms);
  CHECK(action.what == Do::Wait);
  CHECK(action.until == t0 + 700ms);
  auto q = plan();
  q.on_request_complete(t0);
  CHECK(ended(q, k429, t0, 2s).what == Do::Relay);
  CHECK(q.denial() == Denial::RetryAfter);
}

TEST_CASE_METHOD(Fixture, "a 503 with Retry-After is tried at once at another usable endpoint") {
  auto p = plan();
  p.on_request_complete(t0);
  CHECK(ended(p, k503, t0, 30s).what == Do::Start);
  gate.other = false;
  auto q = plan();
  q.on_request_complete(t0);
  CHECK(ended(q, k503, t0, 30s).what == Do::Relay);
}

TEST_CASE_METHOD(Fixture, "an open breaker ends the retries before the budget is touched") {
  gate.answer = RetryGate::Answer::CircuitOpen;
  auto p = plan();
  CHECK(ended(p, kReset).what == Do::Fail);
  CHECK(p.denial() == Denial::CircuitOpen);
}

TEST_CASE_METHOD(Fixture, "what was refused for a sibling's sake goes to another endpoint only") {
  auto p = plan({.repeatable = false});
  const TryEnd elsewhere{
      .processed = Processed::NotProcessed, .status = 503, .refused_elsewhere = true};
  CHECK(ended(p, elsewhere).what == Do::Start);
  CHECK(gate.only_elsewhere);
  CHECK(p.next_needs_other_endpoint());
}

TEST_CASE_METHOD(Fixture, "with retries off the first end decides") {
  settings.retry.reset();
  auto p = plan();
  CHECK(ended(p, kRefused).what == Do::Fail);
  auto q = plan();
  CHECK(ended(q, k503).what == Do::Relay);
}

}  // namespace
}  // namespace outrigger::policy
