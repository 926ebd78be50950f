#include "proxy/policy/attempt_plan.h"

#include <algorithm>

#include "proxy/policy/backoff.h"

namespace outrigger::policy {
namespace {

using Action = AttemptPlan::Action;
using Do = AttemptPlan::Do;
using Why = AttemptPlan::Why;

Action fail(Why why) {
  return {.what = Do::Fail, .why = why};
}

// The answer where no retry is granted: what is in hand.
Action keep(const TryEnd& end) {
  return end.outcome == TryOutcome::Response ? Action{.what = Do::Relay} : fail(Why::LastTry);
}

constexpr int kTooManyRequests = 429;
constexpr int kServiceUnavailable = 503;

Denial denial_of(RetryGate::Answer answer) {
  switch (answer) {
    case RetryGate::Answer::Budget:
      return Denial::Budget;
    case RetryGate::Answer::CircuitOpen:
      return Denial::CircuitOpen;
    case RetryGate::Answer::NoOtherEndpoint:
      return Denial::NoOtherEndpoint;
    case RetryGate::Answer::Granted:
      break;
  }
  return Denial::None;
}

}  // namespace

TimePoint AttemptPlan::idle_deadline() const {
  if (held_up_) return kNever;
  const auto& limit = phase_ == Phase::Tunnel ? settings_->tunnel_idle : settings_->idle;
  return limit ? saturating_add(last_activity_, *limit) : kNever;
}

std::uint32_t AttemptPlan::first_due_lane() const {
  const auto first = std::min_element(lane_deadlines_.begin(), lane_deadlines_.end());
  return static_cast<std::uint32_t>(first - lane_deadlines_.begin());
}

Action AttemptPlan::wait() const {
  TimePoint until =
      std::min(std::min(request_deadline_, phase_deadline_), std::min(hedge_at_, idle_deadline()));
  for (const TimePoint deadline : lane_deadlines_) until = std::min(until, deadline);
  return {.what = Do::Wait, .until = until};
}

// While the caller still sends, nobody can be blamed for being slow but the caller.
void AttemptPlan::count_from(std::uint32_t lane, TimePoint now) {
  lane_deadlines_[lane] = settings_->per_try ? saturating_add(now, *settings_->per_try) : kNever;
  hedge_at_ = hedge_after_ && may_hedge() ? saturating_add(now, *hedge_after_) : kNever;
}

Action AttemptPlan::on_request_complete(TimePoint now) {
  request_complete_ = true;
  for (std::uint32_t lane = 0; lane < kMaxLanes; ++lane) {
    if ((under_way_ & (1U << lane)) != 0) count_from(lane, now);
  }
  if (phase_ != Phase::Tunnel && settings_->request) {
    request_deadline_ =
        std::min(request_.caller_deadline, saturating_add(now, *settings_->request));
  }
  return wait();
}

Action AttemptPlan::on_queued(TimePoint now) {
  phase_ = Phase::Queued;
  phase_deadline_ = saturating_add(now, settings_->pending_timeout);
  return wait();
}

Action AttemptPlan::on_started(std::uint32_t lane, std::optional<Duration> hedge_after,
                               TimePoint now) {
  phase_ = Phase::Running;
  phase_deadline_ = kNever;
  touch(now);
  under_way_ |= 1U << lane;
  hedge_after_ = hedge_after;
  if (request_complete_) count_from(lane, now);
  return wait();
}

Action AttemptPlan::deny(Denial denial, const TryEnd& end) {
  if (denial != Denial::None) denial_ = denial;
  return keep(end);
}

Action AttemptPlan::on_ended(std::uint32_t lane, const TryEnd& end,
                             std::optional<Duration> retry_after, bool body_replayable,
                             RetryGate& gate, Random& random, TimePoint now) {
  under_way_ &= ~(1U << lane);
  lane_deadlines_[lane] = kNever;
  const bool others = under_way_ != 0;
  if (!others) {
    phase_ = Phase::Idle;
    phase_deadline_ = hedge_at_ = kNever;
  }
  if (!settings_->retry || last_try_) return keep(end);

  const auto verdict = settings_->retry->judge({.end = end,
                                                .repeatable = request_.repeatable,
                                                .nested = request_.nested,
                                                .retries_done = retries_,
                                                .stale_retry_done = stale_retry_done_,
                                                .body_replayable = body_replayable});
  if (others) {
    // A retry is due, and the other try is it; or there is no response at all to be kept.
    const bool worse =
        verdict.answer != RetryRule::Answer::No || end.outcome != TryOutcome::Response;
    return worse ? wait() : keep(end);
  }
  if (verdict.answer == RetryRule::Answer::No) return deny(verdict.denial, end);
  return retry_after_end(end, verdict, retry_after, gate, random, now);
}

Action AttemptPlan::retry_after_end(const TryEnd& end, const RetryRule::Verdict& verdict,
                                    std::optional<Duration> retry_after, RetryGate& gate,
                                    Random& random, TimePoint now) {
  const bool stale = verdict.answer == RetryRule::Answer::RetryStale;
  Duration delay = stale ? Duration{} : backoff_before(settings_->backoff, retries_ + 1, random);
  const bool told_to_wait = end.status == kTooManyRequests ||
                            (end.status == kServiceUnavailable && !gate.other_endpoint_usable());
  if (retry_after && settings_->respect_retry_after && told_to_wait) {
    if (*retry_after > *settings_->respect_retry_after) return deny(Denial::RetryAfter, end);
    delay = *retry_after;
  }
  if (saturating_add(now, delay) >= request_deadline_) return deny(Denial::Deadline, end);

  // The budget last: a token is not spent on a retry that something else forbids.
  const auto granted = gate.grant_retry(!stale, end.refused_elsewhere, now);
  if (granted != RetryGate::Answer::Granted) return deny(denial_of(granted), end);

  if (stale) {
    stale_retry_done_ = true;
  } else {
    ++retries_;
  }
  reason_ = verdict.reason;
  elsewhere_ = end.refused_elsewhere;
  if (delay == Duration{}) return {.what = Do::Start};
  phase_ = Phase::BackingOff;
  phase_deadline_ = now + delay;
  return wait();
}

Action AttemptPlan::on_time(TimePoint now) {
  if (now >= request_deadline_) return fail(Why::RequestTimeout);
  const std::uint32_t lane = first_due_lane();
  if (now >= lane_deadlines_[lane]) {
    return {.what = Do::GiveUp, .outcome = TryOutcome::PerTryTimeout, .lane = lane};
  }
  if (now >= phase_deadline_) {
    switch (phase_) {
      case Phase::Queued:
        return fail(Why::QueueTimeout);
      case Phase::BackingOff:
        phase_ = Phase::Idle;
        phase_deadline_ = kNever;
        return {.what = Do::Start};
      case Phase::Running:
      case Phase::Idle:
      case Phase::Relaying:
      case Phase::Tunnel:
        break;
    }
  }
  if (now >= idle_deadline()) {
    return fail(phase_ == Phase::Tunnel ? Why::TunnelIdleTimeout : Why::IdleTimeout);
  }
  if (now >= hedge_at_) {
    hedge_at_ = kNever;
    Action action = wait();
    action.what = Do::Hedge;
    return action;
  }
  return wait();
}

Action AttemptPlan::on_held_up(bool held_up, TimePoint now) {
  held_up_ = held_up;
  touch(now);
  return wait();
}

Action AttemptPlan::on_relayed(bool endless, TimePoint now) {
  phase_ = endless ? Phase::Tunnel : Phase::Relaying;
  phase_deadline_ = hedge_at_ = kNever;
  lane_deadlines_.fill(kNever);
  under_way_ = 0;
  if (endless) request_deadline_ = kNever;
  touch(now);
  return wait();
}

}  // namespace outrigger::policy
