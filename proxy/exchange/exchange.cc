#include "proxy/exchange/exchange.h"

#include <algorithm>
#include <charconv>

#include "proxy/base/check.h"
#include "proxy/exchange/path_dots.h"

namespace outrigger::exchange {
namespace {

using policy::AttemptPlan;
using policy::TryEnd;
using policy::TryOutcome;
using Why = AttemptPlan::Why;

constexpr std::uint32_t kMaxAttemptHeader = 1000;
// What a pooled exchange keeps of each of its buffers.
constexpr std::size_t kKeptCapacity = 64 * 1024;

std::optional<Duration> parse_retry_after(std::string_view value) {
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc{} || end != value.data() + value.size()) return std::nullopt;
  return std::chrono::seconds(seconds);
}

std::uint32_t parse_attempt(std::string_view value) {
  std::uint32_t attempt = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), attempt);
  const bool number = error == std::errc{} && end == value.data() + value.size();
  return number ? std::min(attempt, kMaxAttemptHeader) : 0;
}

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

std::uint32_t whole_seconds_up(Duration left) {
  using std::chrono::seconds;
  const auto whole = std::chrono::ceil<seconds>(left).count();
  return static_cast<std::uint32_t>(std::max<std::int64_t>(whole, 1));
}

// Looks header matches of a route up in a request.
class RequestHeaders final : public HeaderLookup {
 public:
  explicit RequestHeaders(const http::Headers& headers) : headers_(headers) {}
  bool any(std::string_view name, const Predicate& matches) const override {
    return std::ranges::any_of(headers_.all(), [&](const http::HeaderField& field) {
      return http::equals_ignore_case(field.name, name) && matches(field.value);
    });
  }

 private:
  const http::Headers& headers_;
};

}  // namespace

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
  permit_ = {};
  armed_at_ = kNever;
  tried_count_ = 0;
  kept_body_.clear();
  trailers_ = nullptr;
  queued_since_ = first_try_at_ = {};
  request_complete_ = body_paused_ = response_paused_ = head_sent_ = continue_sent_ = false;
  tunnelled_ = upgrade_allowed_ = false;
  route_settled_ = false;
  body_replayable_ = true;
  active_ = true;
  ++scope.users;

  record_.listener = listener.index;
  record_.route = record_.upstream = kNoIndex;
  record_.began = now();
  record_.duration = record_.upstream_time = {};
  record_.status = 0;
  record_.failure = FailureKind::None;
  record_.local_reply = record_.upgraded = false;
  record_.aborted = AbortSide::None;
  record_.timeout = TimeoutKind::None;
  record_.limit = LimitKind::None;
  record_.retry_denied = policy::Denial::None;
  record_.per_try_timeouts = record_.connect_timeouts = 0;
  record_.try_count = 0;
  record_.request_bytes = record_.response_bytes = 0;
}

void Exchange::trim() {
  for (std::string* buffer : {&head_block_, &kept_body_}) {
    buffer->clear();
    if (buffer->capacity() > kKeptCapacity) buffer->shrink_to_fit();
  }
}

void Exchange::name_request() {
  request_id_ = head_.headers.value_of(http::Field::XRequestId);
  if (!request_id_.empty()) return;
  static constexpr char kDigits[] = "0123456789abcdef";
  for (std::size_t i = 0; i < sizeof(request_id_text_); i += 16) {
    std::uint64_t random = scope_->random->next();
    for (std::size_t j = 0; j < 16; ++j, random >>= 4)
      request_id_text_[i + j] = kDigits[random & 15];
  }
  request_id_ = {request_id_text_, sizeof(request_id_text_)};
}

void Exchange::begin(Scope& scope, const ListenerRoutes& listener, Caller& caller) {
  reset(scope, listener, caller);
  name_request();
  request_complete_ = head_.framing == http::Framing::None;
  const auto attempt = head_.headers.value_of(http::Field::XOutriggerAttempt);
  received_attempt_ = attempt.empty() ? 0 : parse_attempt(attempt);

  if (!find_route()) return;
  if (route_->config->respond) return respond(*route_->config->respond);
  if (over_body_limit(head_.content_length)) return fail(FailureKind::BodyTooLarge);
  if (admit()) start_try();
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
                                                      .headers = headers});
  if (found) {
    route_ = &listener_->routes[*found];
    record_.route = route_->index;
    record_.upstream = route_->upstream;
  }
  scope_->observer->on_exchange_begun(record_.listener, record_.route);
  if (!found) fail(refused ? FailureKind::PathDots : FailureKind::NoRoute);
  return found.has_value();
}

void Exchange::respond(const config::Respond& answer) {
  record_.status = answer.status;
  head_sent_ = true;
  record_.response_bytes = head_.is_head ? 0 : answer.body.size();
  caller_->send_local({.status = answer.status, .body = answer.body, .headers = answer.headers});
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
// up), the route's bulkhead, the route's breaker (after the bulkhead, so that a half-open probe
// is not granted and then shed), then for each try the upstream's bulkhead, its breaker and its
// balancer. The retry budget is asked by the plan, last of all, so that no token is spent on a
// retry that something else forbids. A try is judged at its response head; a body that breaks
// off later adds a failure to the endpoint.

bool Exchange::admit() {
  const auto at = now();
  const auto& retry = route_->plan.retry;
  bool has_key = false;
  if (retry && route_->config->retry->idempotency_key_header) {
    has_key = head_.headers.find(*route_->config->retry->idempotency_key_header) != nullptr;
  }
  const bool repeatable = retry && retry->repeatable(head_.method, has_key);
  upstream_ = scope_->upstreams[route_->upstream];
  plan_.emplace(route_->plan,
                AttemptPlan::Request{.repeatable = repeatable, .nested = received_attempt_ > 1},
                at);
  if (request_complete_) arm(plan_->on_request_complete(at).until);

  const Refusal refusal = route_->state->admit(at, plan_->request_deadline(), permit_);
  if (refusal.kind != FailureKind::None) {
    fail(refusal.kind, refusal);
    return false;
  }
  const auto& upgrades = listener_->config->upgrades;
  upgrade_allowed_ = std::ranges::any_of(upgrades, [this](const std::string& protocol) {
    return http::equals_ignore_case(head_.upgrade, protocol);
  });
  try_request_ = {.head = &head_,
                  .repeatable = repeatable,
                  .prefer_untried = retry && route_->config->retry->other_endpoint,
                  .upgrade = upgrade_allowed_};
  return true;
}

// Attempt.

http::RequestAdditions Exchange::additions() const {
  const auto& listener = *listener_->config;
  return {.request_id = request_id_,
          .forwarded_append = listener.forwarded == config::Forwarded::Append,
          .forwarded_remove = listener.forwarded == config::Forwarded::Remove,
          .client_ip = caller_->address(),
          .proto = "http",
          .attempt = std::max<std::uint32_t>(record_.try_count, received_attempt_),
          .via = listener.via,
          .keep_upgrade = upgrade_allowed_};
}

TryRecord& Exchange::begin_try_record() {
  INVARIANT(record_.try_count < kMaxTries);
  auto& made = record_.tries[record_.try_count++];
  made = {.kind = record_.try_count == 1 ? TryKind::First : TryKind::Retry};
  if (made.kind == TryKind::Retry) {
    record_.retry_reasons[record_.try_count - 1] = plan_->last_retry_reason();
  }
  return made;
}

void Exchange::start_try() {
  const auto at = now();
  if (record_.try_count == 0) first_try_at_ = at;
  TryRecord& made = begin_try_record();
  try_request_.kind = made.kind;
  try_request_.additions = additions();
  try_request_.elsewhere = plan_->next_needs_other_endpoint();
  try_request_.tried = tried();
  try_request_.deadline = plan_->request_deadline();

  StartResult result = upstream_->start(try_request_, *this);
  switch (result.start) {
    case Start::Refused:
      --record_.try_count;  // it was not begun
      return fail(result.refusal.kind, result.refusal);
    case Start::Queued:
      attempt_ = std::move(result.attempt);
      queued_since_ = at;
      return arm(plan_->on_queued(at).until);
    case Start::Running:
      attempt_ = std::move(result.attempt);
      on_try_started(attempt_->endpoint());
      if (!attempt_->connected()) return;
      // The first try's head waits for the body bytes that came with it: on_read_done() flushes.
      if (made.kind != TryKind::First) return on_try_ready();
      if (request_complete_) attempt_->send_end(trailers_);
  }
}

void Exchange::on_try_started(std::uint32_t endpoint) {
  const auto at = now();
  TryRecord& current = current_try();
  current.reached_endpoint = true;
  current.endpoint = endpoint;
  if (queued_since_ != TimePoint{}) current.waited = at - queued_since_;
  queued_since_ = {};
  try_started_ = at;
  tried_[tried_count_++] = endpoint;
  arm(plan_->on_started(at).until);
}

void Exchange::on_try_refused(const Refusal& refusal) {
  attempt_.reset();
  --record_.try_count;
  queued_since_ = {};
  fail(refusal.kind, refusal);
}

void Exchange::on_try_ready() {
  attempt_->send_body(kept_body_);
  if (request_complete_) attempt_->send_end(trailers_);
  const bool flowing = attempt_->flush();
  if (kept_body_.size() > most_kept()) {
    body_replayable_ = false;
    kept_body_.clear();
  }
  if (!flowing || !body_paused_) return;  // else on_try_writable resumes
  body_paused_ = false;
  caller_->resume_body();
}

std::uint64_t Exchange::most_kept() const {
  return route_->config->retry ? route_->config->retry->max_body_bytes : 0;
}

void Exchange::on_body(std::string_view bytes) {
  record_.request_bytes += bytes.size();
  if (tunnelled_) {
    plan_->touch(now());
    return attempt_->send_body(bytes);
  }
  if (!plan_) return;  // answered already; the rest is dropped by the caller's side
  plan_->touch(now());
  if (over_body_limit(record_.request_bytes)) {
    if (attempt_) give_up_try(TryOutcome::Abandoned);
    return fail(FailureKind::BodyTooLarge);
  }
  const bool fits = body_replayable_ && kept_body_.size() + bytes.size() <= most_kept();
  const bool sendable = attempt_ && attempt_->connected();
  if (fits || !sendable) kept_body_.append(bytes);
  if (!sendable) {
    if (kept_body_.size() > most_kept() && !body_paused_) {
      body_paused_ = true;
      caller_->pause_body();
    }
    return;
  }
  if (!fits) {
    body_replayable_ = false;
    kept_body_.clear();
  }
  attempt_->send_body(bytes);
}

void Exchange::on_request_end(const http::Headers* trailers) {
  if (request_complete_) return;
  request_complete_ = true;
  trailers_ = trailers;
  arm(plan_->on_request_complete(now()).until);
  if (attempt_ && attempt_->connected()) attempt_->send_end(trailers);
}

void Exchange::on_read_done() {
  if (!attempt_ || !attempt_->connected()) return;
  if (attempt_->flush() || body_paused_) return;
  body_paused_ = true;
  caller_->pause_body();
}

void Exchange::on_try_writable() {
  if (!body_paused_) return;
  body_paused_ = false;
  caller_->resume_body();
}

// What became of the try.

void Exchange::end_try_record(const TryEnd& end) {
  TryRecord& current = current_try();
  if (current.ended || !current.reached_endpoint) return;
  current.ended = true;
  current.end = end;
  current.took = now() - try_started_;
  if (end.outcome == TryOutcome::PerTryTimeout) ++record_.per_try_timeouts;
  if (end.outcome == TryOutcome::ConnectTimeout) ++record_.connect_timeouts;
}

void Exchange::on_try_failed(const TryEnd& end) {
  end_try_record(end);
  attempt_.reset();
  last_end_ = end;
  apply(plan_->on_ended(end, std::nullopt, body_replayable_, *this, *scope_->random, now()));
}

void Exchange::on_try_head(const http::ResponseHead& head, const TryEnd& end) {
  plan_->touch(now());
  if (head.informational()) {
    if (head.status == 100 && (continue_sent_ || !head_.expect_continue)) return;
    continue_sent_ = continue_sent_ || head.status == 100;
    if (head_.minor_version > 0) caller_->send_informational(head);
    return;
  }
  end_try_record(end);
  last_end_ = end;
  const auto& headers = head.headers;
  const auto retry_after = headers.has(http::Field::RetryAfter)
                               ? parse_retry_after(headers.value_of(http::Field::RetryAfter))
                               : std::nullopt;
  const auto action =
      plan_->on_ended(end, retry_after, body_replayable_, *this, *scope_->random, now());
  if (action.what == AttemptPlan::Do::Relay) return relay(head, end);
  attempt_->end(TryOutcome::Response);
  attempt_.reset();
  apply(action);
}

void Exchange::give_up_try(TryOutcome outcome) {
  last_end_ = {.outcome = outcome,
               .processed = attempt_->connected() ? policy::Processed::MaybeProcessed
                                                  : policy::Processed::NotSent};
  end_try_record(last_end_);
  if (!current_try().reached_endpoint) --record_.try_count;  // it was still waiting for its place
  queued_since_ = {};
  attempt_->end(outcome);
  attempt_.reset();
}

void Exchange::apply(const AttemptPlan::Action& action) {
  using Do = AttemptPlan::Do;
  switch (action.what) {
    case Do::Wait:
      return arm(action.until);
    case Do::Start:
      return start_try();
    case Do::Fail:
      return fail(action.why);
    case Do::GiveUp:
      give_up_try(action.outcome);
      return apply(plan_->on_ended(last_end_, std::nullopt, body_replayable_, *this,
                                   *scope_->random, now()));
    case Do::Relay:
      break;  // only of a response head, and answered there
  }
  INVARIANT(action.what != Do::Relay);
}

bool Exchange::other_endpoint_usable() {
  return upstream_->other_endpoint_usable(tried());
}

policy::RetryGate::Answer Exchange::grant_retry(bool costs_budget, bool elsewhere, TimePoint) {
  if (elsewhere && !other_endpoint_usable()) return Answer::NoOtherEndpoint;
  if (upstream_->breaker_refuses()) return Answer::CircuitOpen;
  if (costs_budget && !upstream_->withdraw_retry()) return Answer::Budget;
  try_request_.fresh_connection = !costs_budget;
  return Answer::Granted;
}

// Relay.

void Exchange::settle_route(const TryEnd& end) {
  if (route_settled_ || !permit_.place) return;
  route_settled_ = true;
  route_->state->record(permit_, route_->state->verdict(end), now(), now() - record_.began);
}

void Exchange::relay(const http::ResponseHead& head, const TryEnd& end) {
  settle_route(end);
  record_.status = head.status;
  head_sent_ = true;
  kept_body_.clear();
  body_replayable_ = false;
  if (head.status == 101) {
    caller_->send_head(head);
    return enter_tunnel();
  }
  const bool endless =
      head.headers.value_of(http::Field::ContentType).starts_with("text/event-stream");
  arm(plan_->on_relayed(endless, now()).until);
  caller_->send_head(head);
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

void Exchange::on_try_read_done() {
  if (caller_->flush() || response_paused_ || !attempt_) return;
  response_paused_ = true;
  attempt_->pause_response();
}

void Exchange::on_caller_writable() {
  if (plan_) plan_->touch(now());
  if (!response_paused_ || !attempt_) return;
  response_paused_ = false;
  attempt_->resume_response();
}

void Exchange::on_try_end(const http::Headers* trailers) {
  caller_->send_end(trailers);
  attempt_.reset();
  finish(true);
}

void Exchange::on_try_broken() {
  attempt_.reset();
  record_.aborted = AbortSide::Upstream;
  record_.failure = FailureKind::Reset;
  finish(false);
}

// Ends other than the response's.

void Exchange::fail(FailureKind kind, const Refusal& refusal) {
  record_.failure = kind;
  record_.limit = refusal.limit;
  if (head_sent_) {
    const bool callers_doing = kind == FailureKind::BodyTooLarge || kind == FailureKind::BadRequest;
    record_.aborted = callers_doing ? AbortSide::Downstream : AbortSide::Upstream;
    return finish(false);
  }
  const LocalAnswer& answer = answer_for(kind);
  LocalReply reply{
      .status = answer.status, .error = answer.error, .reason = answer.reason, .body = answer.body};
  if (answer.status == 503) reply.retry_after_s = whole_seconds_up(refusal.retry_after);
  reply.refused_elsewhere =
      listener_->config->direction == config::Direction::Inbound && refused_elsewhere(kind);
  record_.status = answer.status;
  record_.local_reply = true;
  head_sent_ = true;
  caller_->send_local(reply);
  finish(true);
}

void Exchange::fail(Why why) {
  switch (why) {
    case Why::LastTry:
      settle_route(last_end_);
      return fail(failure_of(last_end_.outcome));
    case Why::QueueTimeout:
      give_up_try(TryOutcome::Abandoned);
      return fail(FailureKind::QueueTimeout, {.limit = LimitKind::PendingTimeout});
    case Why::RequestTimeout:
      record_.timeout = TimeoutKind::Request;
      break;
    case Why::IdleTimeout:
      // The caller owes its body: its stall is not the upstream's failure.
      if (!request_complete_ && !body_paused_) return on_caller_stalled(TimeoutKind::Read);
      record_.timeout = TimeoutKind::Idle;
      break;
    case Why::TunnelIdleTimeout:
      record_.timeout = TimeoutKind::TunnelIdle;
      break;
  }
  if (attempt_) give_up_try(TryOutcome::RequestTimeout);
  settle_route({.outcome = TryOutcome::RequestTimeout});
  fail(FailureKind::Timeout);
}

void Exchange::on_bad_body() {
  if (attempt_) give_up_try(TryOutcome::Abandoned);
  fail(FailureKind::BadRequest);
}

void Exchange::on_caller_gone() {
  if (attempt_) give_up_try(TryOutcome::Abandoned);
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
  if (attempt_) give_up_try(TryOutcome::Abandoned);
  if (kind == TimeoutKind::Read && !head_sent_) return fail(FailureKind::ReadTimeout);
  if (!head_sent_) record_.status = answer_for(FailureKind::CallerGone).status;
  record_.aborted = AbortSide::Downstream;
  finish(false);
}

void Exchange::on_time() {
  armed_at_ = kNever;
  apply(plan_->on_time(now()));
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
  if (armed_at_ != kNever) caller_->wake_at(kNever);
  if (permit_.place) {
    if (!route_settled_) {
      route_->state->record(permit_, policy::Verdict::Uncounted, now(), {});
    }
    route_->state->release(permit_);
  }
  record_.duration = now() - record_.began;
  if (first_try_at_ != TimePoint{}) record_.upstream_time = now() - first_try_at_;
  if (plan_) record_.retry_denied = plan_->denial().value_or(policy::Denial::None);
  record_.method = head_.method;
  record_.host = head_.authority;
  record_.path = head_.path;
  record_.request_id = request_id_;
  record_.caller_address = caller_->address();
  scope_->observer->on_exchange(record_);
  --scope_->users;
  caller_->on_exchange_over(complete);
}

}  // namespace outrigger::exchange
