#include "proxy/upstream/attempt.h"

#include <algorithm>

#include "proxy/base/check.h"
#include "proxy/upstream/cluster.h"

namespace outrigger::upstream {

using exchange::Start;
using policy::Processed;
using policy::TryEnd;
using policy::TryOutcome;

namespace {

// As this proxy's kin say it: Proxy-Status: outrigger; error=…; details="draining".
bool says_draining(const http::Headers& headers) {
  return std::ranges::any_of(headers.all(), [](const http::HeaderField& field) {
    return http::equals_ignore_case(field.name, "proxy-status") &&
           field.value.find("details=\"draining\"") != std::string_view::npos;
  });
}

// The name that the user gave an endpoint, as a Host field has it: without the port of http.
// Empty for a Unix socket, which has none.
std::string_view host_of(std::string_view configured) {
  constexpr std::string_view kDefaultPort = ":80";
  if (configured.starts_with("unix:")) return {};
  if (configured.ends_with(kDefaultPort)) configured.remove_suffix(kDefaultPort.size());
  return configured;
}

}  // namespace

Attempt::Attempt(Cluster& cluster) : cluster_(cluster) {}

Attempt::~Attempt() {
  INVARIANT(state_ == State::Idle);
}

// Admission and connection.

Start Attempt::start(const exchange::TryRequest& request, exchange::AttemptEvents& events) {
  INVARIANT(state_ == State::Idle);
  request_ = &request;
  events_ = &events;
  scheduler = &cluster_.scheduler();
  worker = scheduler->worker();
  repeatable = request.repeatable;
  elsewhere = request.elsewhere;
  prefer_untried = request.prefer_untried;
  tried = request.tried;
  hash = request.hash;
  deadline = request.deadline;
  criticality = request.criticality;
  first_try = request.kind == exchange::TryKind::First;
  switch (cluster_.state().admit(*this, request.may_queue, scheduler->now())) {
    case ClusterState::Admission::Refused:
      return Start::Refused;
    case ClusterState::Admission::Queued:
      state_ = State::Waiting;
      return Start::Queued;
    case ClusterState::Admission::Granted:
      break;
  }
  return obtain_somewhere() ? Start::Running : Start::Refused;
}

void Attempt::run() {
  done = false;
  if (state_ == State::Awaiting) return connect_awaited();
  if (refusal.kind != exchange::FailureKind::None || !obtain_somewhere()) {
    state_ = State::Over;
    return events_->on_try_refused(refusal);
  }
  exchange::AttemptEvents& events = *events_;
  const bool ready = connected();
  events.on_try_started(ticket.slot);
  // Started events end nothing, so that the try is still there.
  if (ready && state_ == State::Sent) events.on_try_ready();
}

void Attempt::connect_awaited() {
  started_ = scheduler->now();
  if (auto connection = cluster_.pool().connect_counted(ticket)) return use(std::move(connection));
  settle({.outcome = TryOutcome::Abandoned, .processed = Processed::NotSent});
  finish(false);
  state_ = State::Over;
  events_->on_try_failed({.outcome = TryOutcome::ConnectRefused, .processed = Processed::NotSent});
}

// An endpoint may leave between its choice and now, by a reload or a resolution: another is chosen.
// False, with a refusal, where none is left.
bool Attempt::obtain_somewhere() {
  for (int choice = 1; !obtain_connection(); ++choice) {
    first_try = false;  // it has paid into the retry budget
    if (choice == kMaxChoices) return false;
    const auto admission = cluster_.state().admit(*this, false, scheduler->now());
    if (admission != ClusterState::Admission::Granted) return false;
  }
  return true;
}

bool Attempt::obtain_connection() {
  const bool fresh = request_->fresh_connection || ticket.tried_before;
  started_ = scheduler->now();
  time_to_head_ = {};
  auto [connection, crowded] = cluster_.pool().obtain(ticket, fresh, !repeatable);
  if (crowded) {
    state_ = State::Awaiting;
    cluster_.state().await_connection(*this);
    return true;
  }
  if (!connection) {
    settle({.outcome = TryOutcome::Abandoned, .processed = Processed::NotSent});
    finish(false);
    state_ = State::Idle;
    refusal = {.kind = exchange::FailureKind::NoHealthyUpstream};
    return false;
  }
  use(std::move(connection));
  return true;
}

void Attempt::use(ConnectionPtr connection) {
  connection_ = std::move(connection);
  connection_->attach(*this);
  state_ = State::Connecting;
  if (connection_->connected()) send_request();
}

void Attempt::send_request() {
  state_ = State::Sent;
  http::RequestAdditions additions = request_->additions;
  if (request_->told_deadline != kNever) {
    const auto left = std::max(request_->told_deadline - scheduler->now(), Duration{});
    additions.timeout_ms = std::max<std::uint64_t>(
        static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::milliseconds>(left).count()),
        1);
  }
  ConfiguredPtr configured;
  if (additions.host_of_endpoint) {
    configured = cluster_.state().configured_at(ticket.slot);
    additions.host = host_of(*configured);
    if (additions.host.empty() && request_->head->authority.empty()) additions.host = "localhost";
  }
  connection_->send_head(*request_->head, additions, request_->at_once);
}

void Attempt::on_connected() {
  cluster_.pool().connect_ended();
  cluster_.state().connects_succeeded.fetch_add(1, std::memory_order_relaxed);
  send_request();
  events_->on_try_ready();
}

void Attempt::on_connect_failed(ConnectFailure why) {
  ClusterState& state = cluster_.state();
  switch (why) {
    case ConnectFailure::Refused:
      state.connects_refused.fetch_add(1, std::memory_order_relaxed);
      return fail({.outcome = TryOutcome::ConnectRefused, .processed = Processed::NotSent});
    case ConnectFailure::TimedOut:
      state.connects_timed_out.fetch_add(1, std::memory_order_relaxed);
      return fail({.outcome = TryOutcome::ConnectTimeout, .processed = Processed::NotSent});
    case ConnectFailure::OutOfResources:
      return fail({.outcome = TryOutcome::OutOfResources, .processed = Processed::NotSent});
  }
}

// The request.

bool Attempt::connected() const {
  return state_ == State::Sent || state_ == State::Responding || state_ == State::Tunnel;
}

void Attempt::send_body(std::string_view bytes) {
  connection_->send_body(bytes);
}
void Attempt::send_end(const http::Headers* trailers) {
  connection_->send_end(trailers);
}
bool Attempt::flush() {
  return connection_->flush();
}
void Attempt::pause_response() {
  connection_->pause();
}
void Attempt::resume_response() {
  connection_->resume();
}
void Attempt::on_connection_writable() {
  events_->on_try_writable();
}

// The response.

TryEnd Attempt::judge(const http::ResponseHead& head) const {
  TryEnd judged{.outcome = TryOutcome::Response, .status = head.status};
  const auto mark = head.headers.value_of(http::Field::XOutriggerRetry);
  judged.refused_elsewhere = http::equals_ignore_case(mark, "elsewhere");
  judged.refused_for_good = http::equals_ignore_case(mark, "no");
  judged.draining = judged.refused_elsewhere && says_draining(head.headers);
  constexpr std::string_view kEventStream = "text/event-stream";
  const auto type = head.headers.value_of(http::Field::ContentType).substr(0, kEventStream.size());
  judged.endless = head.status == 101 || http::equals_ignore_case(type, kEventStream);
  const bool untouched = judged.refused_elsewhere || head.status == policy::kTooEarly;
  judged.processed = untouched ? Processed::NotProcessed : Processed::MaybeProcessed;
  return judged;
}

void Attempt::on_response_head(const http::ResponseHead& head) {
  if (head.informational()) return events_->on_try_head(head, {});
  state_ = State::Responding;
  time_to_head_ = time_taken();
  const TryEnd judged = judge(head);
  settle(judged);
  if (head.status == 101) enter_tunnel();
  events_->on_try_head(head, judged);
}

void Attempt::enter_tunnel() {
  state_ = State::Tunnel;
  cluster_.state().finish(ticket, time_to_head_, true, scheduler->now());
}

void Attempt::on_response_body(std::string_view bytes) {
  events_->on_try_body(bytes);
}
void Attempt::on_read_done() {
  events_->on_try_read_done();
}

void Attempt::on_response_end(const http::Headers* trailers) {
  const bool tunnel = state_ == State::Tunnel;
  const auto slot = ticket.slot;
  state_ = State::Over;
  cluster_.pool().give_back(std::move(connection_));
  if (tunnel) {
    cluster_.state().connection_freed(slot, worker, scheduler->now());
  } else {
    finish(false);
  }
  events_->on_try_end(trailers);
}

void Attempt::on_connection_lost(bool bad_response) {
  if (state_ == State::Tunnel) return on_response_end(nullptr);
  if (state_ == State::Responding) {
    cluster_.state().body_broke(ticket, scheduler->now());
    cluster_.pool().count_bytes(*connection_);
    connection_.reset();
    state_ = State::Over;
    finish(false);
    return events_->on_try_broken();
  }
  if (bad_response) return fail({.outcome = TryOutcome::BadResponse});
  const bool stale = connection_->used_before() && !connection_->any_received();
  if (connection_->any_sent()) {
    return fail({.outcome = stale ? TryOutcome::StaleConnection : TryOutcome::Reset});
  }
  fail({.outcome = stale ? TryOutcome::StaleConnection : TryOutcome::ResetBeforeRequest,
        .processed = Processed::NotSent});
}

// The end.

// Without the caller's time to send the request, which says nothing of the endpoint. 0: it was not
// whole yet.
Duration Attempt::time_taken() const {
  return std::max(scheduler->now() - std::max(started_, request_->complete_at), Duration{});
}

void Attempt::settle(const TryEnd& try_end) {
  if (time_to_head_ == Duration{}) time_to_head_ = time_taken();
  cluster_.state().settle(ticket, try_end, time_to_head_, scheduler->now());
}

void Attempt::finish(bool connection_stays) {
  cluster_.state().finish(ticket, time_to_head_, connection_stays, scheduler->now());
}

void Attempt::fail(const TryEnd& try_end) {
  if (state_ == State::Connecting) cluster_.pool().connect_ended();
  settle(try_end);
  cluster_.pool().count_bytes(*connection_);
  connection_.reset();
  state_ = State::Over;
  finish(false);
  events_->on_try_failed(try_end);
}

void Attempt::end(TryOutcome outcome) {
  const State was = state_;
  state_ = State::Over;
  switch (was) {
    case State::Idle:
    case State::Over:
      return;
    case State::Waiting:
      return cluster_.state().leave_queue(*this, scheduler->now());
    case State::Awaiting:  // none of the endpoint's fault
      cluster_.state().stop_awaiting(*this);
      settle({.outcome = TryOutcome::Abandoned, .processed = Processed::NotSent});
      return finish(false);
    case State::Connecting:
      cluster_.pool().connect_ended();
      [[fallthrough]];
    case State::Sent:
      settle({.outcome = outcome,
              .processed = was == State::Sent ? Processed::MaybeProcessed : Processed::NotSent});
      cluster_.pool().count_bytes(*connection_);
      connection_.reset();
      return finish(false);
    case State::Responding:
      if (outcome == TryOutcome::Response) {
        finish(true);
        return cluster_.pool().drain(std::move(connection_));
      }
      cluster_.pool().count_bytes(*connection_);
      connection_.reset();
      return finish(false);
    case State::Tunnel:
      connection_->close_gracefully();
      cluster_.pool().count_bytes(*connection_);
      connection_.reset();
      return cluster_.state().connection_freed(ticket.slot, worker, scheduler->now());
  }
}

void Attempt::release() {
  end(TryOutcome::Abandoned);
  cluster_.scheduler().cancel(*this);
  state_ = State::Idle;
  events_ = nullptr;
  request_ = nullptr;
  cluster_.recycle(*this);
}

}  // namespace outrigger::upstream
