#include "proxy/exchange/exchange.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "proxy/base/check.h"
#include "proxy/exchange/hash_key.h"
#include "proxy/exchange/path_dots.h"
#include "proxy/exchange/redirect.h"
#include "proxy/exchange/request_headers.h"
#include "proxy/exchange/trace_id.h"

namespace outrigger::exchange {
namespace {

using policy::AttemptPlan;
using policy::TryEnd;
using policy::TryOutcome;

constexpr std::uint32_t kMaxAttemptHeader = 1000;
// What a pooled exchange keeps of each of its buffers.
constexpr std::size_t kKeptCapacity = 64 * 1024;

std::uint32_t parse_attempt(std::string_view value) {
  std::uint32_t attempt = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), attempt);
  const bool number = error == std::errc{} && end == value.data() + value.size();
  return number ? std::min(attempt, kMaxAttemptHeader) : 0;
}

// The eight digits of a number, one a byte, in some order: each half byte goes into a byte of its
// own, then becomes its digit.
std::uint64_t hex_digits(std::uint32_t number) {
  constexpr std::uint64_t kEach = 0x0101010101010101;
  std::uint64_t half = number;
  half = (half | half << 16) & 0x0000ffff0000ffff;
  half = (half | half << 8) & 0x00ff00ff00ff00ff;
  half = (half | half << 4) & kEach * 0x0f;
  const std::uint64_t letters = (half + kEach * 6) >> 4 & kEach;  // 1 where it is 10 or more
  return half + kEach * '0' + letters * ('a' - '9' - 1);
}

}  // namespace

Exchange::Exchange() {
  for (Lane& lane : lanes_) lane.exchange = this;
  turn_.exchange = this;
}

Exchange::~Exchange() {
  INVARIANT(!active_);
}
// Begin.

void Exchange::reset(Scope& scope, const ListenerRoutes& listener, Caller& caller) {
  INVARIANT(!active_);
  scope_ = &scope;
  listener_ = &listener;
  caller_ = &caller;
  route_ = nullptr;
  upstream_ = nullptr;
  plan_.reset();
  turn_.permit = {};
  in_line_ = was_in_line_ = false;
  armed_at_ = delayed_until_ = kNever;
  tried_count_ = 0;
  kept_body_.clear();
  kept_charge_.move_to(scope.buffered);
  trailers_ = nullptr;
  first_try_at_ = {};
  complete_at_ = kNever;
  main_ = &lanes_[0];
  lanes_begun_ = 0;
  request_complete_ = body_paused_ = response_paused_ = head_sent_ = continue_sent_ = false;
  tunnelled_ = route_settled_ = false;
  repeatable_ = next_fresh_ = maybe_processed_ = false;
  fallback_.reset();
  hashed_for_ = kNoIndex;
  if (fresh_key_) {
    for (std::string& cookie : set_cookies_) cookie.clear();
    fresh_key_.reset();
  }
  body_replayable_ = true;
  body_let_go_ = false;
  unkept_ = {};
  active_ = true;
  ++scope.users;

  record_.listener = listener.index;
  record_.route = record_.upstream = record_.fallback = kNoIndex;
  record_.began = now();
  record_.duration = record_.upstream_time = {};
  record_.status = 0;
  record_.failure = FailureKind::None;
  record_.local_reply = record_.upgraded = record_.fell_back = false;
  record_.deadline_malformed = false;
  record_.fault_delayed = false;
  record_.fault_abort = FaultAbort::None;
  record_.aborted = AbortSide::None;
  record_.timeout = TimeoutKind::None;
  record_.limit = LimitKind::None;
  record_.breaker = BreakerScope::None;
  record_.retry_denied = policy::Denial::None;
  record_.per_try_timeouts = record_.connect_timeouts = 0;
  record_.try_count = 0;
  record_.request_bytes = record_.response_bytes = 0;
  record_.fallback_reason = record_.trace_id = {};
  if (scope.detailed) addresses_.clear();
}

// The head stays as long as it is: the next one, about as long, is copied over it.
void Exchange::trim() {
  clear_and_keep(kept_body_, kKeptCapacity);
  if (head_block_.capacity() <= kKeptCapacity) return;
  head_block_.clear();
  head_block_.shrink_to_fit();
}

void Exchange::name_request() {
  request_id_ = head_.headers.value_of(http::Field::XRequestId);
  if (!request_id_.empty()) return;
  for (std::size_t i = 0; i < sizeof(request_id_text_); i += 16) {
    const std::uint64_t random = scope_->random->next();
    const std::uint64_t digits[] = {hex_digits(static_cast<std::uint32_t>(random)),
                                    hex_digits(static_cast<std::uint32_t>(random >> 32))};
    std::memcpy(request_id_text_ + i, digits, 16);
  }
  request_id_ = {request_id_text_, sizeof(request_id_text_)};
}

void Exchange::begin(Scope& scope, const ListenerRoutes& listener, Caller& caller,
                     bool body_arrived) {
  reset(scope, listener, caller);
  name_request();
  request_complete_ = head_.framing == http::Framing::None;
  if (request_complete_ || body_arrived) complete_at_ = record_.began;
  const auto attempt = head_.headers.value_of(http::Field::XOutriggerAttempt);
  received_attempt_ = attempt.empty() ? 0 : parse_attempt(attempt);
  upgrade_allowed_ = upgrade_allowed();

  if (!find_route()) return;
  if (route_->config->respond) return respond(*route_->config->respond);
  if (route_->config->redirect) return redirect(*route_->config->redirect);
  if (over_body_limit(head_.content_length)) return fail(FailureKind::BodyTooLarge);
  if (!make_plan() || shed() || rate_limited()) return;
  if (head_.max_forwards == 0u) return answer_as_last();
  if (inject_fault() && admit()) start_try();
}

void Exchange::refuse(Scope& scope, const ListenerRoutes& listener, Caller& caller,
                      FailureKind kind) {
  reset(scope, listener, caller);
  name_request();
  scope.observer->on_exchange_begun(record_.listener, kNoIndex);
  fail(kind);
}

bool Exchange::find_route() {
  const RequestHeaders headers(head_.headers);
  const bool refused =
      listener_->config->path_dots == config::PathDots::Reject && has_dot_segments(head_.path);
  const auto found = refused ? std::nullopt
                             : listener_->table.find({.host = head_.authority,
                                                      .path = head_.path,
                                                      .method = head_.method,
                                                      .headers = headers,
                                                      .query = head_.query()});
  if (found) {
    route_ = &listener_->routes[*found];
    record_.route = route_->index;
    record_.upstream = choose_upstream();
  }
  scope_->observer->on_exchange_begun(record_.listener, record_.route);
  if (!found) fail(refused ? FailureKind::PathDots : FailureKind::NoRoute);
  return found.has_value();
}

// One for all keys of a request: a split and a balancer by the same cookie issue the same one.
std::uint64_t Exchange::fresh_key() {
  if (!fresh_key_) fresh_key_ = scope_->random->next();
  return *fresh_key_;
}

std::uint32_t Exchange::choose_upstream() {
  if (!route_->split) return route_->upstream;
  const std::uint64_t random = fresh_key();
  const auto& hash_on = route_->config->split->hash_on;
  if (!hash_on) return route_->targets[route_->split->pick(random)].upstream;
  HashKey key = hash_key(*hash_on, head_, caller_->address(), random);
  set_cookies_[0] = std::move(key.set_cookie);
  const auto target = key.hash ? route_->split->pick_for(*key.hash) : route_->split->pick(random);
  return route_->targets[target].upstream;
}

void Exchange::respond(const config::Respond& answer) {
  record_.status = answer.status;
  head_sent_ = true;
  record_.response_bytes = caller_->send_local(
      {.status = answer.status, .body = answer.body, .headers = answer.headers});
  finish(true);
}

void Exchange::redirect(const config::Redirect& elsewhere) {
  record_.status = elsewhere.status;
  head_sent_ = true;
  write_location(elsewhere, head_, location_.second);
  caller_->send_local({.status = elsewhere.status, .headers = {&location_, 1}});
  finish(true);
}

// Max-Forwards says that nobody behind is meant (RFC 9110, 7.6.2). No TRACE: it would show a caller
// what others have added on the way.
void Exchange::answer_as_last() {
  record_.upstream = kNoIndex;
  if (head_.method == "TRACE") return fail(FailureKind::NotImplemented);
  record_.status = 200;
  head_sent_ = true;
  caller_->send_local({.status = 200});
  finish(true);
}

bool Exchange::over_body_limit(std::uint64_t bytes) const {
  const auto over = [bytes](const std::optional<std::uint64_t>& limit) {
    return limit && bytes > *limit;
  };
  return over(listener_->config->limits.max_body_bytes) ||
         over(route_->config->limits.max_body_bytes);
}

// Admit.
//
// The order of the layers, outermost first: the deadline (no work for a caller who has given
// up), what the sidecar itself can bear, the route's rate limit (a shed request has not used its
// token), failures on purpose (nothing below shall hear of them), the route's bulkhead and its
// adaptive limit, the route's breaker (after the bulkhead, so that a half-open probe is not granted
// and then shed), then for each try the upstream's bulkhead, its breaker and its balancer. The
// retry budget is asked by the plan, last of all, so that no token is spent on a retry that
// something else forbids. A try is judged at its response head; a body that breaks off later adds
// a failure to the endpoint.

bool Exchange::may_be_repeated(const policy::RetryRule& rule) const {
  if (rule.repeatable(head_.method, false)) return true;
  const auto& key = rule.idempotency_key_header();
  return key && head_.headers.find(*key) && rule.repeatable(head_.method, true);
}

bool Exchange::upgrade_allowed() const {
  const auto& upgrades = listener_->config->upgrades;
  return std::ranges::any_of(upgrades, [this](const std::string& protocol) {
    return http::equals_ignore_case(head_.upgrade, protocol);
  });
}

// False where the caller's deadline is over already.
bool Exchange::make_plan() {
  const auto at = now();
  const auto& settings = route_->plan_for(record_.upstream);
  repeatable_ = settings.retry && may_be_repeated(*settings.retry);
  upstream_ = scope_->upstreams[record_.upstream];
  const auto caller = caller_deadline(head_.headers, listener_->deadline_headers);
  record_.deadline_malformed = caller.malformed;
  plan_.emplace(settings,
                AttemptPlan::Request{
                    .repeatable = repeatable_,
                    .nested = received_attempt_ > 1,
                    .caller_deadline = caller.left ? saturating_add(at, *caller.left) : kNever},
                at);
  if (caller.left == Duration{}) {
    record_.timeout = TimeoutKind::Request;
    fail(FailureKind::Timeout);
    return false;
  }
  arm(plan_->request_deadline());
  if (complete_at_ != kNever) arm(plan_->on_request_complete(at).until);
  return true;
}

bool Exchange::shed() {
  if (!scope_->load_meter) return false;
  const auto criticality = route_->config->criticality;
  const auto load = scope_->load_meter->load(now());
  switch (policy::shed(criticality, load, scope_->snapshot->config->overload)) {
    case policy::Shedding::Admit:
      return false;
    case policy::Shedding::Shed:
      route_->state->count_shed(criticality);
      fail(FailureKind::Shed);
      break;
    case policy::Shedding::Full:
      fail(FailureKind::Overflow, {.limit = LimitKind::MaxBufferedBytes});
  }
  return true;
}

bool Exchange::rate_limited() {
  const auto& settings = route_->config->rate_limit;
  if (!settings) return false;
  std::optional<std::string_view> key;
  if (settings->key) {
    if (const auto* field = head_.headers.find(settings->key->header)) key = field->value;
  }
  const auto wait = route_->state->rate_limited(key, now());
  if (wait) fail(FailureKind::RateLimited, {.retry_after = *wait});
  return wait.has_value();
}

bool Exchange::admit() {
  turn_.scheduler = scope_->scheduler;
  turn_.deadline = plan_->request_deadline();
  switch (route_->state->admit(turn_, now())) {
    case RouteState::Admission::Granted:
      return true;
    case RouteState::Admission::Queued:
      in_line_ = was_in_line_ = true;
      arm(plan_->on_queued(now()).until);
      return false;
    case RouteState::Admission::Refused:
      refused_by_route();
      break;
  }
  return false;
}

void Exchange::on_turn() {
  in_line_ = false;
  if (turn_.permit.place) return start_try();
  refused_by_route();
}

void Exchange::refused_by_route() {
  if (turn_.refusal.kind == FailureKind::CircuitOpen) record_.breaker = BreakerScope::Route;
  fail(turn_.refusal.kind, turn_.refusal);
}

void Exchange::leave_line() {
  if (!in_line_) return;
  in_line_ = false;
  route_->state->leave_line(turn_);
  scope_->scheduler->cancel(turn_);
}
// Relay.

// A delay on purpose came before the admission; the caller's time to send its request is its own.
void Exchange::settle_route(const TryEnd& end) {
  if (route_settled_ || !turn_.permit.place || fallback_) return;
  route_settled_ = true;
  const auto from = std::max(turn_.permit.admitted_at, complete_at_);
  const auto took = std::max(now() - from, Duration{});
  route_->state->record(turn_.permit, &end, now(), took);
  if (route_->config->adaptive_concurrency) route_->state->sample(turn_.permit, end, now(), took);
}

// The first head wins: the other tries are cancelled.
void Exchange::relay(Lane& lane, const http::ResponseHead& head, const TryEnd& end) {
  give_up_all(TryOutcome::Abandoned, &lane);
  main_ = &lane;
  last_end_ = end;
  record_of(lane).relayed = true;
  settle_route(end);
  record_.status = head.status;
  record_.failure = FailureKind::None;  // what a fallback has made good
  head_sent_ = true;
  kept_body_.clear();
  kept_charge_.set(0);
  body_replayable_ = false;
  const std::string_view instead_of = fallback_ ? fallback_->reason : std::string_view();
  if (head.status == 101) {
    caller_->send_head(head, instead_of);
    return enter_tunnel();
  }
  arm(plan_->on_relayed(end.endless, now()).until);
  caller_->send_head(head, instead_of);
}

void Exchange::enter_tunnel() {
  tunnelled_ = record_.upgraded = true;
  request_complete_ = true;
  arm(plan_->on_relayed(true, now()).until);
}

void Exchange::on_try_body(std::string_view bytes) {
  plan_->touch(now());
  record_.response_bytes += bytes.size();
  caller_->send_body(bytes);
}

void Exchange::on_try_read_done(Lane& lane) {
  if (!head_sent_) return;
  if (caller_->flush() || response_paused_ || !lane.attempt) return;
  response_paused_ = true;
  lane.attempt->pause_response();
  arm(plan_->on_held_up(true, now()).until);
}

void Exchange::on_caller_writable() {
  if (plan_) plan_->touch(now());
  if (!response_paused_ || !main_->attempt) return;
  response_paused_ = false;
  arm(plan_->on_held_up(false, now()).until);
  main_->attempt->resume_response();
}

void Exchange::on_try_end(Lane& lane, const http::Headers* trailers) {
  caller_->send_end(trailers);
  lane.attempt.reset();
  finish(true);
}

void Exchange::on_try_broken(Lane& lane) {
  lane.attempt.reset();
  record_.aborted = AbortSide::Upstream;
  record_.failure = FailureKind::Reset;
  finish(false);
}

// Wakes too early are cheap and re-armed; so an earlier timer is left where it is.
void Exchange::arm(TimePoint at) {
  if (at >= armed_at_) return;
  armed_at_ = at;
  caller_->wake_at(at);
}

// Record.

void Exchange::finish(bool complete) {
  INVARIANT(active_);
  active_ = false;
  if (mirror_) std::exchange(mirror_, nullptr)->abandon();
  kept_charge_.set(0);
  if (armed_at_ != kNever) caller_->wake_at(kNever);
  leave_line();
  if (turn_.permit.place) {
    if (!route_settled_) {
      route_->state->record(turn_.permit, nullptr, now(), {});
    }
    route_->state->release(turn_.permit, now());
  }
  record_.duration = now() - record_.began;
  if (first_try_at_ != TimePoint{}) record_.upstream_time = now() - first_try_at_;
  if (plan_) record_.retry_denied = plan_->denial().value_or(policy::Denial::None);
  record_.method = head_.method;
  record_.host = head_.authority;
  record_.path = head_.path;
  record_.target = head_.target;
  if (fallback_) record_.fallback_reason = fallback_->reason;
  if (scope_->detailed) {
    record_.addresses = addresses_;
    record_.caller_address = caller_->address();
    record_.trace_id = trace_id(head_.headers.value_of(http::Field::Traceparent));
  }
  record_.request_id = request_id_;
  scope_->observer->on_exchange(record_);
  --scope_->users;
  caller_->on_exchange_over(complete);
}

}  // namespace outrigger::exchange
