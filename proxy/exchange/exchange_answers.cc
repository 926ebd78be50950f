// What an exchange answers where no upstream's response is passed on: its fallback, or the local
// answer for the failure.

#include <algorithm>
#include <tuple>

#include "proxy/exchange/exchange.h"

namespace outrigger::exchange {
namespace {

using policy::AttemptPlan;
using policy::TryEnd;
using policy::TryOutcome;
using Why = AttemptPlan::Why;

// Nothing was processed here, so a sibling may be asked (CONFIG.md, Between proxies).
bool refused_elsewhere(FailureKind kind) {
  switch (kind) {
    case FailureKind::Draining:
    case FailureKind::ConnectRefused:
    case FailureKind::ConnectTimeout:
    case FailureKind::NoHealthyUpstream:
    case FailureKind::DnsFailure:
    case FailureKind::CircuitOpen:
    case FailureKind::Overflow:
    case FailureKind::QueueTimeout:
      return true;
    default:
      return false;
  }
}

LimitKind limit_hit_by(TryOutcome outcome) {
  return outcome == TryOutcome::OutOfResources ? LimitKind::System : LimitKind::None;
}

// More of the same is what there is too much of.
bool refused_for_good(FailureKind kind) {
  return kind == FailureKind::Shed || kind == FailureKind::RateLimited;
}

// Said whatever an upstream or its fallback has come to.
bool callers_doing(FailureKind kind) {
  return kind == FailureKind::BodyTooLarge || kind == FailureKind::BadRequest ||
         kind == FailureKind::ReadTimeout;
}

std::uint32_t whole_seconds_up(Duration left) {
  using std::chrono::seconds;
  const auto whole = std::chrono::ceil<seconds>(left).count();
  return static_cast<std::uint32_t>(std::max<std::int64_t>(whole, 1));
}

}  // namespace

// Fallback.

// The route's breaker has heard of what there was before any fallback.
bool Exchange::falls_back(FailureKind kind) const {
  using Word = config::FallbackWord;
  if (!route_ || !route_->config->fallback || fallback_) return false;
  const auto& words = route_->config->fallback->fallback_on;
  switch (kind) {
    case FailureKind::CircuitOpen:
      return words.contains(Word::CircuitOpen);
    case FailureKind::NoHealthyUpstream:
    case FailureKind::DnsFailure:
      return words.contains(Word::NoHealthyUpstream);
    case FailureKind::Timeout:
      return words.contains(Word::Timeout);
    case FailureKind::Overflow:
    case FailureKind::QueueTimeout:
    case FailureKind::Shed:
      return words.contains(Word::Overflow);
    case FailureKind::RateLimited:
      return words.contains(Word::RateLimited);
    case FailureKind::ConnectRefused:
      return words.contains(Word::ConnectFailure) || words.contains(Word::FiveXx);
    case FailureKind::ConnectTimeout:
      return words.contains(Word::ConnectFailure);
    case FailureKind::Reset:
    case FailureKind::BadResponse:
      return words.contains(Word::Reset) || words.contains(Word::FiveXx);
    default:
      return false;
  }
}

bool Exchange::falls_back(const TryEnd& end) const {
  using Word = config::FallbackWord;
  if (!route_->config->fallback || fallback_) return false;
  const auto& words = route_->config->fallback->fallback_on;
  return (end.status >= 500 && words.contains(Word::FiveXx)) ||
         (end.status == 429 && words.contains(Word::RateLimited));
}

// Asks the fallback's upstream. It is another send, and obeys what a retry obeys; it never waits
// for a place, for then the answer in hand stands.
bool Exchange::start_fallback(const Fallback& instead_of) {
  const bool may_be_sent = plan_ && body_replayable_ && now() < plan_->request_deadline() &&
                           (!maybe_processed_ || may_be_repeated(route_->repeat_rule));
  if (!may_be_sent) return false;
  leave_line();
  delayed_until_ = kNever;
  Upstream* const original = upstream_;
  auto affinity = std::tuple(hashed_for_, hash_, set_cookies_[1]);
  upstream_ = scope_->upstreams[route_->fallback];
  record_.fallback = route_->fallback;
  tried_count_ = 0;
  next_fresh_ = false;
  plan_->on_fallback();
  Lane& lane = free_lane();
  if (begin_try(lane, TryKind::First).start != Start::Running) {
    upstream_ = original;
    record_.fallback = kNoIndex;
    std::tie(hashed_for_, hash_, set_cookies_[1]) = std::move(affinity);
    return false;
  }
  main_ = &lane;
  record_.fell_back = true;
  fallback_ = instead_of;
  on_try_started(lane, lane.attempt->endpoint());
  if (lane.connected()) on_try_ready(lane);
  return true;
}

void Exchange::answer_fallback(FailureKind kind, std::string_view reason) {
  const config::Respond& answer = *route_->config->fallback->respond;
  record_.failure = kind;
  record_.fell_back = true;
  record_.status = answer.status;
  record_.local_reply = kind != FailureKind::None;
  head_sent_ = true;
  record_.fallback_reason = reason;
  record_.response_bytes =
      caller_->send_local({.status = answer.status,
                           .error = kind == FailureKind::None ? "" : answer_for(kind).error,
                           .reason = reason,
                           .body = answer.body,
                           .fallback = true,
                           .headers = answer.headers});
  finish(true);
}

// The response in hand is given up only once the fallback is under way.
void Exchange::relay_or_fall_back(Lane& lane, const http::ResponseHead& head, const TryEnd& end) {
  const std::string_view reason = end.status == 429 ? "rate-limited" : "5xx";
  give_up_all(TryOutcome::Abandoned, &lane);
  settle_route(end);
  const bool responds = route_->config->fallback->respond.has_value();
  if (!responds && !start_fallback({.status = end.status, .reason = reason})) {
    return relay(lane, head, end);
  }
  lane.attempt->end(TryOutcome::Response);
  lane.attempt.reset();
  if (responds) answer_fallback(FailureKind::None, reason);
}

// Ends other than the response's.

void Exchange::fail(FailureKind kind, Refusal refusal) {
  // The fallback has failed in its turn: what there was before it stands, of a response at least
  // the status, unless there is no time left.
  const bool stands = fallback_ && !head_sent_ && !callers_doing(kind);
  const bool status_stands =
      stands && fallback_->kind == FailureKind::None && kind != FailureKind::Timeout;
  if (stands && fallback_->kind != FailureKind::None) {
    kind = fallback_->kind;
    refusal = fallback_->refusal;
  }
  record_.failure = kind;
  record_.limit = refusal.limit;
  if (head_sent_) {
    record_.aborted = callers_doing(kind) ? AbortSide::Downstream : AbortSide::Upstream;
    return finish(false);
  }
  const LocalAnswer& answer = answer_for(kind);
  if (falls_back(kind)) {
    if (route_->config->fallback->respond) return answer_fallback(kind, answer.reason);
    if (start_fallback({.kind = kind, .refusal = refusal, .reason = answer.reason})) return;
  }
  LocalReply reply{.status = status_stands ? fallback_->status : answer.status,
                   .error = answer.error,
                   .reason = answer.reason,
                   .body = answer.body};
  if (reply.status == 503 || reply.status == 429) {
    reply.retry_after_s = whole_seconds_up(refusal.retry_after);
  }
  const bool inbound = listener_->config->direction == config::Direction::Inbound;
  reply.refused_elsewhere = inbound && !status_stands && refused_elsewhere(kind);
  reply.retry_no = inbound && refused_for_good(kind);
  record_.status = reply.status;
  record_.local_reply = true;
  head_sent_ = true;
  record_.response_bytes = caller_->send_local(reply);
  finish(true);
}

void Exchange::fail(Why why) {
  switch (why) {
    case Why::LastTry:
      settle_route(last_end_);
      return fail(failure_of(last_end_.outcome), {.limit = limit_hit_by(last_end_.outcome)});
    case Why::QueueTimeout:
      give_up_all(TryOutcome::Abandoned);
      return fail(FailureKind::QueueTimeout, {.limit = LimitKind::PendingTimeout});
    case Why::RequestTimeout:
      record_.timeout = TimeoutKind::Request;
      break;
    case Why::IdleTimeout:
      // The caller owes its body: its stall is not the upstream's failure.
      if (!request_complete_ && !body_paused_) return on_caller_stalled(TimeoutKind::Read);
      record_.timeout = TimeoutKind::Idle;
      break;
    case Why::TunnelIdleTimeout:  // how they end, rather than a failure
      record_.timeout = TimeoutKind::TunnelIdle;
      give_up_all(TryOutcome::RequestTimeout);
      return finish(false);
  }
  // A deadline that the caller made shorter says nothing of the upstream.
  const bool abandoned = why == Why::RequestTimeout && plan_->deadline_is_callers();
  const auto outcome = abandoned ? TryOutcome::Abandoned : TryOutcome::RequestTimeout;
  give_up_all(outcome);
  if (!abandoned) settle_route({.outcome = outcome});
  fail(FailureKind::Timeout);
}

void Exchange::on_bad_body() {
  give_up_all(TryOutcome::Abandoned);
  fail(FailureKind::BadRequest);
}

void Exchange::on_caller_gone() {
  give_up_all(TryOutcome::Abandoned);
  record_.failure = FailureKind::CallerGone;
  if (head_sent_) {
    if (!tunnelled_) record_.aborted = AbortSide::Downstream;
  } else {
    record_.status = answer_for(FailureKind::CallerGone).status;
  }
  finish(false);
}

void Exchange::on_caller_stalled(TimeoutKind kind) {
  record_.timeout = kind;
  give_up_all(TryOutcome::Abandoned);
  if (kind == TimeoutKind::Read && !head_sent_) return fail(FailureKind::ReadTimeout);
  if (!head_sent_) record_.status = answer_for(FailureKind::CallerGone).status;
  record_.aborted = AbortSide::Downstream;
  finish(false);
}

void Exchange::on_time() {
  armed_at_ = kNever;
  const auto action = plan_->on_time(now());
  if (delayed_until_ == kNever || action.what != AttemptPlan::Do::Wait) return apply(action);
  arm(action.until);
  if (now() >= delayed_until_) return end_delay();
  arm(delayed_until_);
}

}  // namespace outrigger::exchange
