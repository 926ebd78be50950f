#include "proxy/exchange/exchange.h"

#include <algorithm>
#include <charconv>

#include "proxy/base/check.h"
#include "proxy/exchange/hash_key.h"
#include "proxy/exchange/path_dots.h"
#include "proxy/exchange/redirect.h"
#include "proxy/exchange/request_headers.h"
#include "proxy/http/date.h"

namespace outrigger::exchange {
namespace {

using policy::AttemptPlan;
using policy::TryEnd;
using policy::TryOutcome;
using Why = AttemptPlan::Why;

static_assert(kMaxTries >= 1 + 10 + 1 + 3 + 1);
static_assert(policy::kMaxLanes >= 1 + 3);

constexpr std::uint32_t kMaxAttemptHeader = 1000;
// What a pooled exchange keeps of each of its buffers.
constexpr std::size_t kKeptCapacity = 64 * 1024;
constexpr std::int64_t kMaxRetryAfter = 24 * 60 * 60;

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

// More of the same is what there is too much of.
bool refused_for_good(FailureKind kind) {
  return kind == FailureKind::Shed || kind == FailureKind::RateLimited;
}

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

std::uint32_t whole_seconds_up(Duration left) {
  using std::chrono::seconds;
  const auto whole = std::chrono::ceil<seconds>(left).count();
  return static_cast<std::uint32_t>(std::max<std::int64_t>(whole, 1));
}

}  // namespace

Exchange::Exchange() {
  for (Lane& lane : lanes_) lane.exchange = this;
  turn_.exchange = this;
}

Exchange::~Exchange() {
  INVARIANT(!active_);
}

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
  main_ = &lanes_[0];
  request_complete_ = body_paused_ = response_paused_ = head_sent_ = continue_sent_ = false;
  tunnelled_ = upgrade_allowed_ = false;
  route_settled_ = false;
  repeatable_ = next_fresh_ = maybe_processed_ = false;
  original_failure_ = FailureKind::None;
  fallback_reason_ = {};
  hashed_for_ = kNoIndex;
  for (std::string& cookie : set_cookies_) cookie.clear();
  fresh_key_.reset();
  body_replayable_ = true;
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
  if (route_->config->redirect) return redirect(*route_->config->redirect);
  if (over_body_limit(head_.content_length)) return fail(FailureKind::BodyTooLarge);
  if (make_plan() && !shed() && !rate_limited() && inject_fault() && admit()) start_try();
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
  record_.response_bytes = head_.is_head ? 0 : answer.body.size();
  caller_->send_local({.status = answer.status, .body = answer.body, .headers = answer.headers});
  finish(true);
}

void Exchange::redirect(const config::Redirect& elsewhere) {
  record_.status = elsewhere.status;
  head_sent_ = true;
  write_location(elsewhere, head_, location_.second);
  caller_->send_local({.status = elsewhere.status, .headers = {&location_, 1}});
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
  const auto& key = rule.idempotency_key_header();
  return rule.repeatable(head_.method, key && head_.headers.find(*key) != nullptr);
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
  if (request_complete_) arm(plan_->on_request_complete(at).until);
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
  const auto& upgrades = listener_->config->upgrades;
  upgrade_allowed_ = std::ranges::any_of(upgrades, [this](const std::string& protocol) {
    return http::equals_ignore_case(head_.upgrade, protocol);
  });
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
      fail(turn_.refusal.kind, turn_.refusal);
      break;
  }
  return false;
}

void Exchange::on_turn() {
  in_line_ = false;
  if (turn_.permit.place) return start_try();
  fail(turn_.refusal.kind, turn_.refusal);
}

void Exchange::leave_line() {
  if (!in_line_) return;
  in_line_ = false;
  route_->state->leave_line(turn_);
  turn_.unlink();
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
  if (const auto& rewrite = route_->config->rewrite) {
    if (rewrite->host) additions.host = *rewrite->host;
    additions.host_of_endpoint = rewrite->host_auto;
  }
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
  const auto lane =
      std::ranges::find_if(lanes_, [](const Lane& each) { return each.attempt == nullptr; });
  INVARIANT(lane != lanes_.end());
  return *lane;
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
                  .fresh_connection = next_fresh_,
                  .prefer_untried = route_->config->retry && route_->config->retry->other_endpoint,
                  .elsewhere = hedge || plan_->next_needs_other_endpoint(),
                  .upgrade = upgrade_allowed_,
                  .may_queue = !hedge && !instead,
                  .hash = hash_for(instead ? record_.fallback : record_.upstream),
                  .criticality = route_->config->criticality,
                  .tried = tried(),
                  .deadline = plan_->request_deadline()};
  next_fresh_ = false;
  const auto told = plan_->least_deadline(at);
  if (told != kNever) {
    lane.request.told_deadline = told;
    lane.request.additions.has_timeout = true;
    lane.request.additions.has_grpc_timeout = head_.headers.has(http::Field::GrpcTimeout);
  }
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

// The copy goes out after this turn's callback: it costs the caller no more than its bytes' copy.
void Exchange::start_mirror(const TryRequest& first) {
  if (route_->mirror == kNoIndex || !scope_->mirrors || upgrade_allowed_) return;
  if (scope_->random->unit() * 100 >= route_->config->mirror->percent) return;
  mirror_ = scope_->mirrors->begin(*scope_, *route_, first);
  if (mirror_ && !mirror_->add(kept_body_)) mirror_ = nullptr;
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
  if (!request_complete_ || !body_replayable_ || !other_endpoint_usable() ||
      upstream_->breaker_refuses() || !upstream_->withdraw_retry()) {
    return;
  }
  Lane& lane = free_lane();
  if (begin_try(lane, TryKind::Hedge).start != Start::Running) return;
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
  lane.started = at;
  tried_[tried_count_++] = endpoint;
  arm(plan_->on_started(index_of(lane), hedge_delay(), at).until);
}

void Exchange::on_try_refused(Lane& lane, const Refusal& refusal) {
  lane.attempt.reset();
  refused_try(record_.tries[--record_.try_count].kind, refusal);
}

// The upstream had no place for it. Of a retry that was granted, this is all that is left.
void Exchange::refused_try(TryKind kind, const Refusal& refusal) {
  if (kind == TryKind::Retry) plan_->on_retry_refused(denial_of(refusal.kind));
  fail(refusal.kind, refusal);
}

void Exchange::on_try_ready(Lane& lane) {
  lane.attempt->send_body(kept_body_);
  if (request_complete_) lane.attempt->send_end(trailers_);
  const bool flowing = lane.attempt->flush();
  if (kept_body_.size() > most_kept()) {
    body_replayable_ = false;
    kept_body_.clear();
  }
  if (!flowing || !body_paused_) return;  // else on_try_writable resumes
  body_paused_ = false;
  caller_->resume_body();
}

std::uint64_t Exchange::most_kept() const {
  if (scope_->buffered && scope_->buffered->scarce()) return 0;
  return route_->config->retry ? route_->config->retry->max_body_bytes : 0;
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
  const bool fits = body_replayable_ && kept_body_.size() + bytes.size() <= most_kept();
  const bool sendable = main_->connected();
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
  main_->attempt->send_body(bytes);
}

void Exchange::on_request_end(const http::Headers* trailers) {
  if (request_complete_) return;
  request_complete_ = true;
  send_mirror();
  trailers_ = trailers;
  if (plan_) arm(plan_->on_request_complete(now()).until);
  if (main_->connected()) main_->attempt->send_end(trailers);
}

void Exchange::on_read_done() {
  kept_charge_.set(kept_body_.size());
  if (!main_->connected()) return;
  if (main_->attempt->flush() || body_paused_) return;
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

// Seconds, or a date, which is taken from the response's own where it has one: two clocks need
// not agree then.
std::optional<Duration> Exchange::retry_after(const http::ResponseHead& head) const {
  if (!head.headers.has(http::Field::RetryAfter)) return std::nullopt;
  const auto value = head.headers.value_of(http::Field::RetryAfter);
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (end == value.data() + value.size() && error != std::errc::invalid_argument) {
    const bool huge = error == std::errc::result_out_of_range;
    return std::chrono::seconds(huge ? kMaxRetryAfter : std::int64_t{seconds});
  }
  const auto until = http::parse_http_date(value);
  if (!until) return std::nullopt;
  const auto sent = http::parse_http_date(head.headers.value_of(http::Field::Date));
  const auto left = *until - sent.value_or(scope_->scheduler->unix_seconds());
  return std::chrono::seconds(std::clamp<std::int64_t>(left, 0, kMaxRetryAfter));
}

void Exchange::on_try_head(Lane& lane, const http::ResponseHead& head, const TryEnd& end) {
  plan_->touch(now());
  if (head.informational()) {
    if (head.status == 100 && (continue_sent_ || !head_.expect_continue)) return;
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
  for (Lane& lane : lanes_) {
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
  for (Lane& lane : lanes_) {
    if (lane.attempt) main_ = &lane;
  }
}

bool Exchange::other_endpoint_usable() {
  return upstream_->other_endpoint_usable(tried());
}

policy::RetryGate::Answer Exchange::grant_retry(bool costs_budget, bool elsewhere, TimePoint) {
  if (elsewhere && !other_endpoint_usable()) return Answer::NoOtherEndpoint;
  if (upstream_->breaker_refuses()) return Answer::CircuitOpen;
  if (costs_budget && !upstream_->withdraw_retry()) return Answer::Budget;
  next_fresh_ = !costs_budget;
  return Answer::Granted;
}

// Relay.

void Exchange::settle_route(const TryEnd& end) {
  if (route_settled_ || !turn_.permit.place || !fallback_reason_.empty()) return;
  route_settled_ = true;
  route_->state->record(turn_.permit, route_->state->verdict(end), now(), now() - record_.began);
  if (route_->config->adaptive_concurrency) route_->state->sample(turn_.permit, end, now());
}

// The first head wins: the other tries are cancelled.
void Exchange::relay(Lane& lane, const http::ResponseHead& head, const TryEnd& end) {
  give_up_all(TryOutcome::Abandoned, &lane);
  main_ = &lane;
  last_end_ = end;
  record_of(lane).relayed = true;
  settle_route(end);
  record_.status = head.status;
  head_sent_ = true;
  kept_body_.clear();
  kept_charge_.set(0);
  body_replayable_ = false;
  if (head.status == 101) {
    caller_->send_head(head, fallback_reason_);
    return enter_tunnel();
  }
  const bool endless =
      head.headers.value_of(http::Field::ContentType).starts_with("text/event-stream");
  arm(plan_->on_relayed(endless, now()).until);
  caller_->send_head(head, fallback_reason_);
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
}

void Exchange::on_caller_writable() {
  if (plan_) plan_->touch(now());
  if (!response_paused_ || !main_->attempt) return;
  response_paused_ = false;
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

// Fallback.

// The route's breaker has heard of what there was before any fallback.
bool Exchange::falls_back(FailureKind kind) const {
  using Word = config::FallbackWord;
  if (!route_ || !route_->config->fallback || !fallback_reason_.empty()) return false;
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
      return words.contains(Word::Reset) || words.contains(Word::FiveXx);
    case FailureKind::BadResponse:
      return words.contains(Word::FiveXx);
    default:
      return false;
  }
}

bool Exchange::falls_back(const TryEnd& end) const {
  using Word = config::FallbackWord;
  if (!route_->config->fallback || !fallback_reason_.empty()) return false;
  const auto& words = route_->config->fallback->fallback_on;
  return (end.status >= 500 && words.contains(Word::FiveXx)) ||
         (end.status == 429 && words.contains(Word::RateLimited));
}

// Asks the fallback's upstream. It is another send, and obeys what a retry obeys; it never waits
// for a place, for then the answer in hand stands.
bool Exchange::start_fallback(FailureKind kind, std::string_view reason) {
  const bool may_be_sent = plan_ && body_replayable_ && now() < plan_->least_deadline(now()) &&
                           (!maybe_processed_ || may_be_repeated(route_->repeat_rule));
  if (!may_be_sent) return false;
  leave_line();
  Upstream* const original = upstream_;
  upstream_ = scope_->upstreams[route_->fallback];
  record_.fallback = route_->fallback;
  tried_count_ = 0;
  next_fresh_ = false;
  plan_->on_fallback();
  Lane& lane = free_lane();
  if (begin_try(lane, TryKind::First).start != Start::Running) {
    upstream_ = original;
    record_.fallback = kNoIndex;
    return false;
  }
  main_ = &lane;
  record_.fell_back = true;
  original_failure_ = kind;
  fallback_reason_ = reason;
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
  record_.response_bytes = head_.is_head ? 0 : answer.body.size();
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
  if (!responds && !start_fallback(FailureKind::None, reason)) {
    return relay(lane, head, end);
  }
  lane.attempt->end(TryOutcome::Response);
  lane.attempt.reset();
  if (responds) answer_fallback(FailureKind::None, reason);
}

// Ends other than the response's.

void Exchange::fail(FailureKind kind, const Refusal& refusal) {
  // The fallback has failed in its turn: what there was before it stands.
  if (!head_sent_ && original_failure_ != FailureKind::None) kind = original_failure_;
  record_.failure = kind;
  record_.limit = refusal.limit;
  if (head_sent_) {
    const bool callers_doing = kind == FailureKind::BodyTooLarge || kind == FailureKind::BadRequest;
    record_.aborted = callers_doing ? AbortSide::Downstream : AbortSide::Upstream;
    return finish(false);
  }
  const LocalAnswer& answer = answer_for(kind);
  if (falls_back(kind)) {
    if (route_->config->fallback->respond) return answer_fallback(kind, answer.reason);
    if (start_fallback(kind, answer.reason)) return;
  }
  LocalReply reply{
      .status = answer.status, .error = answer.error, .reason = answer.reason, .body = answer.body};
  if (answer.status == 503 || answer.status == 429) {
    reply.retry_after_s = whole_seconds_up(refusal.retry_after);
  }
  const bool inbound = listener_->config->direction == config::Direction::Inbound;
  reply.refused_elsewhere = inbound && refused_elsewhere(kind);
  reply.retry_no = inbound && refused_for_good(kind);
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
    case Why::TunnelIdleTimeout:
      record_.timeout = TimeoutKind::TunnelIdle;
      break;
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
      route_->state->record(turn_.permit, policy::Verdict::Uncounted, now(), {});
    }
    route_->state->release(turn_.permit, now());
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
