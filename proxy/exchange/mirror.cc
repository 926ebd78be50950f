#include "proxy/exchange/mirror.h"

#include "proxy/base/check.h"
#include "proxy/exchange/scope.h"

namespace outrigger::exchange {

using policy::TryEnd;
using policy::TryOutcome;

namespace {

// What an unused mirror keeps of its body's buffer.
constexpr std::size_t kKeptCapacity = 16 * 1024;

}  // namespace

Mirror::~Mirror() {
  INVARIANT(!busy());
}

// The copy.

void Mirror::begin(Scope& scope, const Route& route, const TryRequest& first) {
  INVARIANT(!busy());
  scope_ = &scope;
  route_ = &route;
  ++scope.users;
  record_ = {.route = route.index, .upstream = route.mirror};
  first.head->copy_to(head_, head_block_);
  head_.expect_continue = false;  // the body is here already
  request_id_ = first.additions.request_id;
  client_ip_ = first.additions.client_ip;

  request_ = {.head = &head_,
              .additions = first.additions,
              .may_queue = false,
              .told_deadline = first.told_deadline};
  auto& additions = request_.additions;
  additions.request_id = request_id_;
  additions.client_ip = client_ip_;
  additions.upstream = scope.name_of(route.mirror);
  if (route.path_rewrite) additions.target = route.path_rewrite->apply(head_);
}

bool Mirror::add(std::string_view bytes) {
  if (body_.size() + bytes.size() > kMaxBody) {
    drop(MirrorDrop::BodyTooLarge);
    return false;
  }
  append_to(body_, bytes);
  return true;
}

void Mirror::send() {
  scope_->scheduler->soon(*this);
}

void Mirror::run() {
  started_ = scope_->scheduler->now();
  const auto longest = route_->config->timeouts.request.value_or(kMaxTime);
  request_.deadline = saturating_add(started_, longest);
  StartResult result = scope_->upstreams[route_->mirror]->start(request_, *this);
  if (result.start != Start::Running) return drop(MirrorDrop::Refused, result.refusal.limit);
  attempt_ = std::move(result.attempt);
  record_.attempt.reached_endpoint = true;
  record_.attempt.endpoint = attempt_->endpoint();
  if (attempt_->connected()) on_try_ready();
}

// The try.

void Mirror::on_try_ready() {
  attempt_->send_body(view(body_));
  attempt_->send_end(nullptr);
}

void Mirror::on_try_refused(const Refusal& refusal) {
  attempt_.reset();
  drop(MirrorDrop::Refused, refusal.limit);
}

void Mirror::on_try_failed(const TryEnd& end) {
  end_record(end);
  attempt_.reset();
  finish();
}

void Mirror::on_try_head(const http::ResponseHead& head, const TryEnd& end) {
  if (!head.informational()) end_record(end);
}

void Mirror::end_record(const TryEnd& end) {
  if (record_.attempt.ended) return;
  record_.attempt.ended = true;
  record_.attempt.end = end;
  record_.attempt.took = scope_->scheduler->now() - started_;
}

// The end.

void Mirror::expire(TimePoint now) {
  if (attempt_ && now >= request_.deadline) cancel(TryOutcome::RequestTimeout);
}

void Mirror::cancel(TryOutcome outcome) {
  Task::unlink();
  if (attempt_) {
    end_record({.outcome = outcome});
    attempt_->end(outcome);
    attempt_.reset();
  }
  finish();
}

void Mirror::drop(MirrorDrop why, LimitKind limit) {
  record_.dropped = why;
  record_.limit = limit;
  finish();
}

void Mirror::abandon() {
  finish();
}

void Mirror::finish() {
  attempt_.reset();
  scope_->observer->on_mirror(record_);
  --scope_->users;
  scope_ = nullptr;
  clear_and_keep(body_, kKeptCapacity);
  pool_.spare_.push_back(this);
}

// The pool.

Mirror* Mirrors::begin(Scope& scope, const Route& route, const TryRequest& first) {
  MirrorRecord dropped{.route = route.index, .upstream = route.mirror};
  if (first.head->content_length > Mirror::kMaxBody) {
    dropped.dropped = MirrorDrop::BodyTooLarge;
  } else if (spare_.empty() && all_.size() == kMaxInFlight) {
    dropped.dropped = MirrorDrop::TooMany;
  }
  if (dropped.dropped != MirrorDrop::None) {
    scope.observer->on_mirror(dropped);
    return nullptr;
  }
  if (spare_.empty()) {
    spare_.reserve(kMaxInFlight);
    spare_.push_back(all_.emplace_back(std::make_unique<Mirror>(*this)).get());
  }
  Mirror* mirror = spare_.back();
  spare_.pop_back();
  mirror->begin(scope, route, first);
  return mirror;
}

void Mirrors::expire(TimePoint now) {
  for (const auto& mirror : all_) mirror->expire(now);
}

void Mirrors::clear() {
  for (const auto& mirror : all_) {
    if (mirror->busy()) mirror->cancel(TryOutcome::Abandoned);
  }
}

}  // namespace outrigger::exchange
