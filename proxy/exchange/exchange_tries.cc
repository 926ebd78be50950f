// Exchange's tries: how one is begun, hedged, fed with the request's body, and judged at its end.
//
// The plan says what to do next; here it is done. A lane is the place of one try.

#include <algorithm>

#include "proxy/base/check.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/hash_key.h"
#include "proxy/exchange/retry_after.h"

namespace outrigger::exchange {
namespace {

using policy::AttemptPlan;
using policy::TryEnd;
using policy::TryOutcome;

// So much of a body costs less to keep than to find out whether it has to be.
constexpr std::size_t kCheaplyKept = 4 * 1024;

static_assert(kMaxTries >= 1 + 10 + 1 + 3 + 1);
static_assert(policy::kMaxLanes >= 1 + 3);

policy::Denial denial_of(FailureKind refusal) {
  switch (refusal) {
    case FailureKind::CircuitOpen:
      return policy::Denial::CircuitOpen;
    case FailureKind::NoHealthyUpstream:
    case FailureKind::DnsFailure:
      return policy::Denial::NoOtherEndpoint;
    default:
      return policy::Denial::Overflow;
  }
}

}  // namespace

// Lanes.

void Exchange::Lane::on_try_started(std::uint32_t endpoint) {
  exchange->on_try_started(*this, endpoint);
}
void Exchange::Lane::on_try_refused(const Refusal& refusal) {
  exchange->on_try_refused(*this, refusal);
}
void Exchange::Lane::on_try_ready() {
  exchange->on_try_ready(*this);
}
void Exchange::Lane::on_try_failed(const TryEnd& end) {
  exchange->on_try_failed(*this, end);
}
void Exchange::Lane::on_try_head(const http::ResponseHead& head, const TryEnd& end) {
  exchange->on_try_head(*this, head, end);
}
void Exchange::Lane::on_try_body(std::string_view bytes) {
  exchange->on_try_body(bytes);
}
void Exchange::Lane::on_try_end(const http::Headers* trailers) {
  exchange->on_try_end(*this, trailers);
}
void Exchange::Lane::on_try_broken() {
  exchange->on_try_broken(*this);
}
void Exchange::Lane::on_try_read_done() {
  exchange->on_try_read_done(*this);
}
void Exchange::Lane::on_try_writable() {
  exchange->on_try_writable();
}
// Attempt.

http::RequestAdditions Exchange::additions() const {
  const auto& listener = *listener_->config;
  http::RequestAdditions additions{
      .request_id = request_id_,
      .forwarded_append = listener.forwarded == config::Forwarded::Append,
      .forwarded_remove = listener.forwarded == config::Forwarded::Remove,
      .client_ip = caller_->address(),
      .proto = "http",
      .attempt = std::max<std::uint32_t>(record_.try_count, received_attempt_),
      .via = listener.via,
      .keep_upgrade = upgrade_allowed_,
      .edits = route_->request_edits ? &*route_->request_edits : nullptr,
      .upstream = upstream_name()};
  if (route_->path_rewrite) additions.target = route_->path_rewrite->apply(head_);
  const auto& rewrite = route_->config->rewrite;
  if (rewrite && rewrite->host) additions.host = *rewrite->host;
  // HTTP/1.0 may name no host, what is sent has to.
  const bool none_said = head_.authority.empty() && additions.host.empty();
  additions.host_of_endpoint = none_said || (rewrite && rewrite->host_auto);
  return additions;
}

std::string_view Exchange::upstream_name() const {
  return scope_->name_of(record_.fallback == kNoIndex ? record_.upstream : record_.fallback);
}

http::HeaderVariables Exchange::response_variables() const {
  return {.request_id = request_id_,
          .client_ip = caller_->address(),
          .upstream = upstream_name(),
          .attempt = main_->request.additions.attempt};
}

Exchange::Lane& Exchange::free_lane() {
  const auto begun = begun_lanes();
  const auto lane =
      std::ranges::find_if(begun, [](const Lane& each) { return each.attempt == nullptr; });
  if (lane != begun.end()) return *lane;
  INVARIANT(lanes_begun_ < lanes_.size());
  return lanes_[lanes_begun_++];
}

// The same for all tries at an upstream, so that a retry goes on from where the last one was.
std::optional<std::uint64_t> Exchange::hash_for(std::uint32_t upstream) {
  const auto& balancer = scope_->snapshot->config->upstreams[upstream].load_balancer;
  const bool hashed = balancer.policy == config::LoadBalancerPolicy::RingHash ||
                      balancer.policy == config::LoadBalancerPolicy::Maglev;
  if (!hashed || !balancer.hash_on) return std::nullopt;
  if (hashed_for_ == upstream) return hash_;
  hashed_for_ = upstream;
  const std::uint64_t fresh = fresh_key();
  HashKey key = hash_key(*balancer.hash_on, head_, caller_->address(), fresh);
  hash_ = key.hash.value_or(fresh);
  set_cookies_[1] = std::move(key.set_cookie);
  if (set_cookies_[1] == set_cookies_[0]) set_cookies_[1].clear();
  return hash_;
}

// Asks the upstream for one more try. Where it is refused it was not begun.
StartResult Exchange::begin_try(Lane& lane, TryKind kind) {
  INVARIANT(record_.try_count < kMaxTries);
  const auto at = now();
  if (first_try_at_ == TimePoint{}) first_try_at_ = at;
  lane.record = record_.try_count++;
  record_of(lane) = {.kind = kind, .upstream = record_.fallback};
  if (kind == TryKind::Retry) record_.retry_reasons[lane.record] = plan_->last_retry_reason();
  const bool hedge = kind == TryKind::Hedge;
  const bool instead = record_.fallback != kNoIndex;
  lane.request = {.head = &head_,
                  .additions = additions(),
                  .kind = kind,
                  .repeatable = repeatable_,
                  .at_once = repeatable_ && route_->repeat_rule.forgives_stale_connections(),
                  .fresh_connection = next_fresh_,
                  .prefer_untried = route_->config->retry && route_->config->retry->other_endpoint,
                  .elsewhere = hedge || plan_->next_needs_other_endpoint(),
                  .upgrade = upgrade_allowed_,
                  .may_queue = !hedge && !instead,
                  .hash = hash_for(instead ? record_.fallback : record_.upstream),
                  .criticality = route_->config->criticality,
                  .tried = tried(),
                  .deadline = plan_->request_deadline(),
                  .complete_at = complete_at_};
  next_fresh_ = false;
  tell_deadline(lane);
  lane.queued_since = {};
  StartResult result = upstream_->start(lane.request, lane);
  if (result.start == Start::Refused) {
    --record_.try_count;
  } else {
    lane.attempt = std::move(result.attempt);
    if (kind == TryKind::First && !instead) start_mirror(lane.request);
  }
  return result;
}

void Exchange::tell_deadline(Lane& lane) {
  lane.request.told_deadline = plan_->request_deadline();
  if (lane.request.told_deadline == kNever) return;
  lane.request.additions.has_timeout = true;
  lane.request.additions.has_grpc_timeout = head_.headers.has(http::Field::GrpcTimeout);
}

// The copy goes out after this turn's callback: it costs the caller no more than its bytes' copy.
void Exchange::start_mirror(const TryRequest& first) {
  if (route_->mirror == kNoIndex || !scope_->mirrors || upgrade_allowed_) return;
  if (scope_->random->unit() * 100 >= route_->config->mirror->percent) return;
  mirror_ = scope_->mirrors->begin(*scope_, *route_, first);
  if (mirror_ && !mirror_->add(view(kept_body_))) mirror_ = nullptr;
  if (request_complete_) send_mirror();
}

void Exchange::send_mirror() {
  if (mirror_) std::exchange(mirror_, nullptr)->send();
}

void Exchange::start_try() {
  main_ = &free_lane();
  const bool first = record_.try_count == 0;
  const StartResult result = begin_try(*main_, first ? TryKind::First : TryKind::Retry);
  switch (result.start) {
    case Start::Refused:
      return refused_try(first ? TryKind::First : TryKind::Retry, result.refusal);
    case Start::Queued:
      main_->queued_since = now();
      return arm(plan_->on_queued(now()).until);
    case Start::Running:
      on_try_started(*main_, main_->attempt->endpoint());
      if (!main_->connected()) return;
      // The first try's head waits for the body bytes that came with it: on_read_done() flushes.
      if (!first || record_.fault_delayed || was_in_line_) return on_try_ready(*main_);
      if (request_complete_) main_->attempt->send_end(trailers_);
  }
}

// It is paid out of the retry budget and never waits for a place; where it cannot be begun, the
// tries under way go on.
void Exchange::start_hedge() {
  const bool kept = body_replayable_ && kept_body_.size() <= most_kept();
  if (!request_complete_ || !kept || !other_endpoint_usable() || upstream_->breaker_refuses() ||
      !upstream_->withdraw_retry()) {
    return;
  }
  Lane& lane = free_lane();
  if (begin_try(lane, TryKind::Hedge).start != Start::Running) return upstream_->refund_retry();
  plan_->on_hedge_begun();
  on_try_started(lane, lane.attempt->endpoint());
  if (lane.connected()) on_try_ready(lane);
}

std::optional<Duration> Exchange::hedge_delay() {
  const auto& hedge = route_->config->hedge;
  if (!hedge || upgrade_allowed_ || !plan_->may_hedge()) return std::nullopt;
  if (hedge->after.percentile == 0) return hedge->after.time;
  return upstream_->latency_percentile(hedge->after.percentile);
}

void Exchange::on_try_started(Lane& lane, std::uint32_t endpoint) {
  const auto at = now();
  TryRecord& record = record_of(lane);
  record.reached_endpoint = true;
  record.endpoint = endpoint;
  if (lane.queued_since != TimePoint{}) record.waited = at - lane.queued_since;
  if (scope_->detailed) {
    record.address_begin = static_cast<std::uint16_t>(addresses_.size());
    addresses_ += lane.attempt->address();
    record.address_end = static_cast<std::uint16_t>(addresses_.size());
  }
  lane.started = at;
  tried_[tried_count_++] = endpoint;
  arm(plan_->on_started(index_of(lane), hedge_delay(), at).until);
}

void Exchange::on_try_refused(Lane& lane, const Refusal& refusal) {
  const Refusal why = refusal;  // the attempt's own, and it goes
  lane.attempt.reset();
  refused_try(record_.tries[--record_.try_count].kind, why);
}

// The upstream had no place for it. Of a retry that was granted, this is all that is left.
void Exchange::refused_try(TryKind kind, const Refusal& refusal) {
  if (kind == TryKind::Retry) {
    plan_->on_retry_refused(denial_of(refusal.kind));
    const bool paid = plan_->last_retry_reason() != policy::RetryReason::StaleConnection;
    if (paid) upstream_->refund_retry();
  }
  if (refusal.kind == FailureKind::CircuitOpen) record_.breaker = BreakerScope::Upstream;
  fail(refusal.kind, refusal);
}

void Exchange::on_try_ready(Lane& lane) {
  lane.attempt->send_body(view(kept_body_));
  if (request_complete_) lane.attempt->send_end(trailers_);
  const bool flowing = lane.attempt->flush();
  if (kept_body_.size() > most_kept()) {
    body_replayable_ = false;
    const auto unsent = [](const Lane& each) { return each.attempt && !each.connected(); };
    if (std::ranges::none_of(begun_lanes(), unsent)) kept_body_.clear();
  }
  if (!flowing || !body_paused_) return;  // else on_try_writable resumes
  body_paused_ = false;
  caller_->resume_body();
}

std::uint64_t Exchange::most_kept() const {
  if (!route_->config->retry) return 0;
  const std::uint64_t most = route_->config->retry->max_body_bytes;
  if (!scope_->buffered) return most;
  return scope_->buffered->scarce() ? 0 : std::min<std::uint64_t>(most, scope_->buffered->share());
}

void Exchange::on_body(std::string_view bytes) {
  record_.request_bytes += bytes.size();
  if (tunnelled_) {
    plan_->touch(now());
    return main_->attempt->send_body(bytes);
  }
  if (!plan_) return;  // answered already; the rest is dropped by the caller's side
  plan_->touch(now());
  if (mirror_ && !mirror_->add(bytes)) mirror_ = nullptr;
  if (over_body_limit(record_.request_bytes)) {
    give_up_all(TryOutcome::Abandoned);
    return fail(FailureKind::BodyTooLarge);
  }
  const bool fits = body_replayable_ && record_.request_bytes <= most_kept();
  if (!main_->connected()) {
    append_to(kept_body_, bytes);
    if (kept_body_.size() > most_kept() && !body_paused_) {
      body_paused_ = true;
      caller_->pause_body();
    }
    return;
  }
  if (!fits) {
    body_replayable_ = false;
    kept_body_.clear();
    unkept_ = {};
  } else if (!body_let_go_) {
    keep(bytes);
  }
  main_->attempt->send_body(bytes);
}

void Exchange::keep(std::string_view bytes) {
  append_to(kept_body_, std::exchange(unkept_, {}));
  if (bytes.size() > kCheaplyKept && needless_once_sent()) {
    unkept_ = bytes;
  } else {
    append_to(kept_body_, bytes);
  }
}

// Whether no try can follow that needs the body, once a byte of the request has left: the request
// may not be repeated, and nobody else is there who could take it after a refusal.
bool Exchange::needless_once_sent() {
  return !repeatable_ && route_->fallback == kNoIndex &&
         !route_->repeat_rule.repeats_at_same_endpoint() && !other_endpoint_usable();
}

// The read has been told, and what could leave has left.
void Exchange::settle_unkept() {
  const std::string_view bytes = std::exchange(unkept_, {});
  if (!main_->attempt->any_sent()) return append_to(kept_body_, bytes);
  body_let_go_ = true;
  kept_body_.clear();
}

void Exchange::on_request_end(const http::Headers* trailers) {
  if (request_complete_) return;
  request_complete_ = true;
  send_mirror();
  trailers_ = trailers;
  if (plan_ && complete_at_ == kNever) {
    complete_at_ = now();
    arm(plan_->on_request_complete(complete_at_).until);
    main_->request.complete_at = complete_at_;
    if (main_->attempt && !main_->connected()) tell_deadline(*main_);
  }
  if (main_->connected()) main_->attempt->send_end(trailers);
}

void Exchange::on_read_done() {
  const bool flowing = !main_->connected() || main_->attempt->flush();
  if (!unkept_.empty()) settle_unkept();
  kept_charge_.set(kept_body_.size());
  if (flowing || body_paused_) return;
  body_paused_ = true;
  caller_->pause_body();
}

void Exchange::on_try_writable() {
  if (!body_paused_) return;
  body_paused_ = false;
  caller_->resume_body();
}

// What became of the try.

void Exchange::end_try_record(const Lane& lane, const TryEnd& end) {
  TryRecord& record = record_of(lane);
  if (record.ended || !record.reached_endpoint) return;
  record.ended = true;
  record.end = end;
  record.took = now() - lane.started;
  if (end.outcome == TryOutcome::PerTryTimeout) ++record_.per_try_timeouts;
  if (end.outcome == TryOutcome::ConnectTimeout) ++record_.connect_timeouts;
}

void Exchange::note_end(const TryEnd& end) {
  last_end_ = end;
  maybe_processed_ =
      maybe_processed_ || policy::processed(end) == policy::Processed::MaybeProcessed;
}

void Exchange::on_try_failed(Lane& lane, const TryEnd& end) {
  end_try_record(lane, end);
  lane.attempt.reset();
  note_end(end);
  apply(plan_->on_ended(index_of(lane), end, std::nullopt, body_replayable_, *this, *scope_->random,
                        now()));
}

std::optional<Duration> Exchange::retry_after(const http::ResponseHead& head) const {
  if (!head.headers.has(http::Field::RetryAfter)) return std::nullopt;
  return parse_retry_after(head.headers.value_of(http::Field::RetryAfter),
                           head.headers.value_of(http::Field::Date),
                           scope_->scheduler->unix_seconds());
}

void Exchange::on_try_head(Lane& lane, const http::ResponseHead& head, const TryEnd& end) {
  plan_->touch(now());
  if (head.informational()) {
    if (head.status == 100 && continue_sent_) return;  // another try's
    continue_sent_ = continue_sent_ || head.status == 100;
    if (head_.minor_version > 0) caller_->send_informational(head);
    return;
  }
  end_try_record(lane, end);
  note_end(end);
  const auto action = plan_->on_ended(index_of(lane), end, retry_after(head), body_replayable_,
                                      *this, *scope_->random, now());
  if (action.what == AttemptPlan::Do::Relay) {
    if (!falls_back(end)) return relay(lane, head, end);
    return relay_or_fall_back(lane, head, end);
  }
  lane.attempt->end(TryOutcome::Response);
  lane.attempt.reset();
  apply(action);
}

void Exchange::give_up(Lane& lane, TryOutcome outcome) {
  note_end({.outcome = outcome,
            .processed =
                lane.connected() ? policy::Processed::MaybeProcessed : policy::Processed::NotSent});
  end_try_record(lane, last_end_);
  if (!record_of(lane).reached_endpoint) --record_.try_count;  // it still waited for its place
  lane.attempt->end(outcome);
  lane.attempt.reset();
}

void Exchange::give_up_all(TryOutcome outcome, const Lane* but) {
  for (Lane& lane : begun_lanes()) {
    if (lane.attempt && &lane != but) give_up(lane, outcome);
  }
}

void Exchange::apply(const AttemptPlan::Action& action) {
  using Do = AttemptPlan::Do;
  switch (action.what) {
    case Do::Wait:
      // The one that has just ended may have been the main one.
      if (!main_->attempt) pick_main();
      return arm(action.until);
    case Do::Start:
      return start_try();
    case Do::Hedge:
      arm(action.until);
      return start_hedge();
    case Do::Fail:
      return fail(action.why);
    case Do::GiveUp: {
      Lane& lane = lanes_[action.lane];
      give_up(lane, action.outcome);
      return apply(plan_->on_ended(action.lane, last_end_, std::nullopt, body_replayable_, *this,
                                   *scope_->random, now()));
    }
    case Do::Relay:
      break;  // only of a response head, and answered there
  }
  INVARIANT(action.what != Do::Relay);
}

void Exchange::pick_main() {
  for (Lane& lane : begun_lanes()) {
    if (lane.attempt) main_ = &lane;
  }
}

bool Exchange::other_endpoint_usable() {
  return upstream_->other_endpoint_usable(tried());
}

policy::RetryGate::Answer Exchange::grant_retry(bool costs_budget, bool elsewhere, TimePoint) {
  if (body_let_go_ || (elsewhere && !other_endpoint_usable())) return Answer::NoOtherEndpoint;
  if (upstream_->breaker_refuses()) return Answer::CircuitOpen;
  if (costs_budget && !upstream_->withdraw_retry()) return Answer::Budget;
  next_fresh_ = !costs_budget;
  return Answer::Granted;
}

}  // namespace outrigger::exchange
