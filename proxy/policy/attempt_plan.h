// The one decision point of a request: every event goes in, and what to do next comes out.
//
// Retry, budget, backoff and all timeouts of an exchange are judged here together, so that they
// cannot contradict one another from four callbacks. It holds times and counts only; who may
// retry is retry_rule.h, how long to wait is backoff.h, what the cluster allows is asked through
// RetryGate. The exchange carries the answers out.
#pragma once

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
};

class AttemptPlan {
 public:
  enum class Do : std::uint8_t {
    Wait,    // until `until` at the latest, or the next event
    Start,   // the next try, now
    Relay,   // the response in hand goes to the caller
    Fail,    // answer, or abort where a head has gone out, for `why`
    GiveUp,  // end the current try as `outcome`, then ask again with on_ended()
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
    bool give_up_response = false;  // Wait, Start after a response: it is dropped, a retry follows
  };

  // Facts of the request that the rule asks for; fixed from the start.
  struct Request {
    bool repeatable = false;
    bool nested = false;
  };

  // `settings` outlives the plan.
  AttemptPlan(const PlanSettings& settings, Request request, TimePoint now)
      : settings_(&settings), request_(request), last_activity_(now) {}

  // Events, each answered with what to do next.
  Action on_request_complete(
      TimePoint now);                // its last byte has arrived: `request` counts from here
  Action on_queued(TimePoint now);   // the try waits for a place
  Action on_started(TimePoint now);  // the try has its place and endpoint
  // A response head (end.outcome Response) or the failure of the try. `retry_after`: the
  // response's Retry-After, where it has one. `body_replayable`: all of the body sent so far is
  // kept.
  Action on_ended(const TryEnd& end, std::optional<Duration> retry_after, bool body_replayable,
                  RetryGate& gate, Random& random, TimePoint now);
  Action on_time(TimePoint now);
  // The head has been passed on, of an ordinary response or of one without an end (a tunnel,
  // text/event-stream), for which `request` and `idle` give way to `tunnel_idle`.
  Action on_relayed(bool endless, TimePoint now);

  // A byte moved either way: `idle` starts anew. Not an event, for it never asks for anything.
  void touch(TimePoint now) { last_activity_ = now; }

  // What was decided, for the record.
  int retries() const { return retries_; }
  bool next_needs_other_endpoint() const { return elsewhere_; }
  RetryReason last_retry_reason() const { return reason_; }
  std::optional<Denial> denial() const { return denial_; }
  TimePoint request_deadline() const { return request_deadline_; }

 private:
  enum class Phase : std::uint8_t { Idle, Queued, Running, BackingOff, Relaying, Tunnel };

  Action wait() const;
  TimePoint idle_deadline() const;
  Action deny(Denial denial, const TryEnd& end);

  const PlanSettings* settings_;
  Request request_;
  TimePoint request_deadline_ = kNever;
  TimePoint phase_deadline_ = kNever;  // of the queue, the try or the backoff
  TimePoint last_activity_;
  Phase phase_ = Phase::Idle;
  bool stale_retry_done_ = false;
  bool elsewhere_ = false;
  int retries_ = 0;
  RetryReason reason_{};
  std::optional<Denial> denial_;
};

}  // namespace outrigger::policy
