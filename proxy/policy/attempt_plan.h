// The one decision point of a request: every event goes in, and what to do next comes out.
//
// Retry, hedge, budget, backoff and all timeouts of an exchange are judged here together, so that
// they cannot contradict one another from four callbacks. It holds times and counts only; who may
// retry is retry_rule.h, how long to wait is backoff.h, what the cluster allows is asked through
// RetryGate. The exchange carries the answers out.
//
// Several tries are under way at once only while one is hedged; they are told apart by their lane.
// A failure that deserves another try needs none while one is under way: the other decides.
#pragma once

#include <array>
#include <optional>

#include "config/model.h"
#include "proxy/base/random.h"
#include "proxy/base/time.h"
#include "proxy/policy/outcome.h"
#include "proxy/policy/retry_rule.h"

namespace outrigger::policy {

// What the cluster says to a retry. Implemented by the exchange over its upstream.
class RetryGate {
 public:
  enum class Answer : std::uint8_t { Granted, Budget, CircuitOpen, NoOtherEndpoint };

  virtual ~RetryGate() = default;
  // An endpoint that this exchange has not tried is usable.
  virtual bool other_endpoint_usable() = 0;
  // Withdraws from the budget where `costs_budget`. `elsewhere`: only another endpoint will do.
  virtual Answer grant_retry(bool costs_budget, bool elsewhere, TimePoint now) = 0;
};

// Compiled once per route from its timeouts and retry block; outlives its plans.
struct PlanSettings {
  std::optional<Duration> request;
  std::optional<Duration> per_try;
  std::optional<Duration> idle;
  std::optional<Duration> tunnel_idle;
  Duration pending_timeout{};
  std::optional<RetryRule> retry;  // empty: `retry: off`
  config::Backoff backoff;
  std::optional<Duration> respect_retry_after;
  std::uint32_t max_hedges = 0;
};

// The first try of a request or its retry, and hedge.max hedges beside it.
inline constexpr std::uint32_t kMaxLanes = 4;

class AttemptPlan {
 public:
  enum class Do : std::uint8_t {
    Wait,    // until `until` at the latest, or the next event
    Start,   // the next try, now
    Relay,   // the response in hand goes to the caller
    Fail,    // answer, or abort where a head has gone out, for `why`
    GiveUp,  // end the try in `lane` as `outcome`, then ask again with on_ended()
    Hedge,   // begin one more try beside those under way, where that can be; else wait
  };
  enum class Why : std::uint8_t {
    LastTry,
    QueueTimeout,
    RequestTimeout,
    IdleTimeout,
    TunnelIdleTimeout
  };

  struct Action {
    Do what = Do::Wait;
    TimePoint until = kNever;                    // Wait
    Why why = Why::LastTry;                      // Fail
    TryOutcome outcome = TryOutcome::Abandoned;  // GiveUp
    std::uint32_t lane = 0;                      // GiveUp
  };

  // Facts of the request that the rule asks for; fixed from the start.
  struct Request {
    bool repeatable = false;
    bool nested = false;
    TimePoint caller_deadline = kNever;  // as its deadline headers say
  };

  // `settings` outlives the plan.
  AttemptPlan(const PlanSettings& settings, Request request, TimePoint now)
      : settings_(&settings),
        request_(request),
        request_deadline_(request.caller_deadline),
        last_activity_(now) {
    lane_deadlines_.fill(kNever);
  }

  // Events, each answered with what to do next.
  // Its last byte has arrived: `request` counts from here, and `per_try` and the hedge of the try
  // that is under way.
  Action on_request_complete(TimePoint now);
  Action on_queued(TimePoint now);  // the try waits for a place
  // The try has its place and endpoint. `hedge_after`: how long its head may take before it is
  // hedged; empty: not at all.
  Action on_started(std::uint32_t lane, std::optional<Duration> hedge_after, TimePoint now);
  // A response head (end.outcome Response) or the failure of the try. `retry_after`: the
  // response's Retry-After, where it has one. `body_replayable`: all of the body sent so far is
  // kept.
  Action on_ended(std::uint32_t lane, const TryEnd& end, std::optional<Duration> retry_after,
                  bool body_replayable, RetryGate& gate, Random& random, TimePoint now);
  void on_hedge_begun() { ++hedges_; }
  void on_retry_refused(Denial why) { denial_ = why; }
  // What is asked now is asked once: no retry, no hedge.
  void on_fallback() {
    last_try_ = true;
    phase_ = Phase::Idle;
    phase_deadline_ = hedge_at_ = kNever;
    lane_deadlines_.fill(kNever);
    under_way_ = 0;
    elsewhere_ = false;
  }
  Action on_time(TimePoint now);
  // The head has been passed on, of an ordinary response or of one without an end (a tunnel,
  // text/event-stream), for which `request` and `idle` give way to `tunnel_idle`.
  Action on_relayed(bool endless, TimePoint now);

  // The response waits for its caller, who takes it slowly, or no longer does. Meanwhile nothing is
  // idle: the caller is the listener's `write` to watch.
  Action on_held_up(bool held_up, TimePoint now);

  // A byte moved either way: `idle` starts anew. Not an event, for it never asks for anything.
  void touch(TimePoint now) { last_activity_ = now; }

  // What was decided, for the record.
  bool next_needs_other_endpoint() const { return elsewhere_; }
  RetryReason last_retry_reason() const { return reason_; }
  std::optional<Denial> denial() const { return denial_; }
  // While the request is still arriving there is only the caller's own.
  TimePoint request_deadline() const { return request_deadline_; }
  // The deadline in force is the caller's, which was shorter than the route's own.
  bool deadline_is_callers() const {
    return request_deadline_ != kNever && request_deadline_ == request_.caller_deadline;
  }
  // Where this is false, nobody need look up how long a hedge waits.
  bool may_hedge() const {
    return settings_->retry && !last_try_ && request_.repeatable &&
           (!request_.nested || settings_->retry->allows_nested()) &&
           hedges_ < settings_->max_hedges;
  }

 private:
  enum class Phase : std::uint8_t { Idle, Queued, Running, BackingOff, Relaying, Tunnel };

  Action wait() const;
  void count_from(std::uint32_t lane, TimePoint now);
  Action retry_after_end(const TryEnd& end, const RetryRule::Verdict& verdict,
                         std::optional<Duration> retry_after, RetryGate& gate, Random& random,
                         TimePoint now);
  std::uint32_t first_due_lane() const;
  TimePoint idle_deadline() const;
  Action deny(Denial denial, const TryEnd& end);

  const PlanSettings* settings_;
  Request request_;
  TimePoint request_deadline_ = kNever;
  TimePoint phase_deadline_ = kNever;                // of the queue or the backoff
  std::array<TimePoint, kMaxLanes> lane_deadlines_;  // of the tries under way: per_try
  TimePoint hedge_at_ = kNever;
  std::optional<Duration> hedge_after_;  // of the newest try
  TimePoint last_activity_;
  Phase phase_ = Phase::Idle;
  bool stale_retry_done_ = false;
  bool elsewhere_ = false;
  bool last_try_ = false;
  bool request_complete_ = false;
  bool held_up_ = false;
  std::uint32_t under_way_ = 0;  // a bit a lane
  std::uint32_t hedges_ = 0;
  int retries_ = 0;
  RetryReason reason_{};
  std::optional<Denial> denial_;
};

}  // namespace outrigger::policy
