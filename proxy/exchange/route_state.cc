#include "proxy/exchange/route_state.h"

#include "proxy/exchange/breaker_report.h"

namespace outrigger::exchange {
namespace {

constexpr std::uint32_t kUnlimited = UINT32_MAX;

}  // namespace

RouteState::RouteState(const config::Route& route, std::uint64_t seed, Events* events)
    : name_(route.name),
      events_(events),
      seed_(seed),
      limit_(kUnlimited, kUnlimited),
      adaptive_(std::nullopt),
      breaker_(seed) {
  configure(route);
}

void RouteState::configure(const config::Route& route) {
  faults_.configure(route.fault);
  const std::lock_guard lock(mutex_);
  max_requests_ = route.limits.max_requests;
  limit_.configure(max_requests_.value_or(kUnlimited), kUnlimited);
  criticality_ = route.criticality;
  adaptive_.configure(route.adaptive_concurrency);
  line_.configure(route.adaptive_concurrency ? route.adaptive_concurrency->queue : 0);
  if (!route.rate_limit) {
    rate_limit_.reset();
  } else if (rate_limit_) {
    rate_limit_->configure(*route.rate_limit);
  } else {
    rate_limit_.emplace(*route.rate_limit, seed_);
  }
  breaker_.configure(route.circuit_breaker);
}

std::optional<Duration> RouteState::rate_limited(std::optional<std::string_view> key,
                                                 TimePoint now) {
  const std::lock_guard lock(mutex_);
  return rate_limit_ ? rate_limit_->refused(key, latest_locked(now)) : std::nullopt;
}

RouteState::Admission RouteState::admit(Waiter& waiter, TimePoint now) {
  Admission admission;
  policy::OptionalBreaker::Changes changes;
  {
    const std::lock_guard lock(mutex_);
    admission = admit_or_queue_locked(waiter, latest_locked(now));
    changes = breaker_.take_untold();
  }
  report(changes, "route", name_, events_);
  return admission;
}

RouteState::Admission RouteState::admit_or_queue_locked(Waiter& waiter, TimePoint now) {
  waiter.permit = {};
  waiter.refusal = {};
  serve_line_locked(now);  // a reload may have made room that nobody's end did
  if (adaptive_.has_room()) {
    admit_locked(waiter, now);
    return waiter.permit.place ? Admission::Granted : Admission::Refused;
  }
  static constexpr Refusal kBeyond{.kind = FailureKind::Overflow,
                                   .limit = LimitKind::RouteAdaptiveConcurrency};
  waiter.since = now;
  // All are of one criticality, the route's, unless a reload has just changed it.
  const auto pushed = line_.push(waiter, criticality_, waiter.deadline);
  if (pushed.displaced) {
    auto& displaced = static_cast<Waiter&>(*pushed.displaced);
    displaced.refusal = kBeyond;
    displaced.scheduler->soon(displaced);
  }
  if (pushed.joined) return Admission::Queued;
  waiter.refusal = kBeyond;
  return Admission::Refused;
}

void RouteState::admit_locked(Waiter& waiter, TimePoint now) {
  if (!limit_.try_acquire()) {
    waiter.refusal = {.kind = FailureKind::Overflow, .limit = LimitKind::RouteMaxRequests};
    return;
  }
  Permit& permit = waiter.permit;
  if (breaker_) {
    permit.circuit = breaker_->admit(now, waiter.deadline);
    if (!permit.circuit.granted) {
      limit_.release();
      waiter.refusal = {.kind = FailureKind::CircuitOpen,
                        .retry_after = breaker_->retry_after(now)};
      return;
    }
  }
  adaptive_.acquire();
  permit.place = permit.counted = true;
  permit.admitted_at = now;
}

void RouteState::serve_line_locked(TimePoint now) {
  while (adaptive_.has_room()) {
    policy::PendingNode* first = line_.first();
    if (!first) return;
    auto& waiter = static_cast<Waiter&>(*first);
    line_.remove(waiter);
    admit_locked(waiter, now);
    waiter.scheduler->soon(waiter);
  }
}

void RouteState::serve_line(TimePoint now) {
  const std::lock_guard lock(mutex_);
  serve_line_locked(latest_locked(now));
}

void RouteState::leave_line(Waiter& waiter) {
  const std::lock_guard lock(mutex_);
  line_.remove(waiter);
}

void RouteState::sample(Permit& permit, const policy::TryEnd& end, TimePoint now,
                        Duration time_to_head) {
  const std::lock_guard lock(mutex_);
  now = latest_locked(now);
  if (time_to_head > Duration{} && policy::is_load_sample(end)) adaptive_.sample(time_to_head, now);
  if (!end.endless) return;
  leave_adaptive_locked(permit);
  serve_line_locked(now);
}

void RouteState::leave_adaptive_locked(Permit& permit) {
  if (!permit.counted) return;
  permit.counted = false;
  adaptive_.release();
}

void RouteState::record(const Permit& permit, const policy::TryEnd* end, TimePoint now,
                        Duration time_to_head) {
  if (!permit.circuit.granted) return;
  policy::OptionalBreaker::Changes changes;
  {
    const std::lock_guard lock(mutex_);
    if (breaker_) {
      const auto verdict =
          end ? policy::breaker_verdict(breaker_->settings(), *end) : policy::Verdict::Uncounted;
      breaker_->record(permit.circuit, verdict, latest_locked(now), time_to_head);
    }
    changes = breaker_.take_untold();
  }
  report(changes, "route", name_, events_);
}

void RouteState::release(Permit& permit, TimePoint now) {
  if (!permit.place) return;
  const std::lock_guard lock(mutex_);
  leave_adaptive_locked(permit);
  limit_.release();
  permit = {};
  serve_line_locked(latest_locked(now));
}

void RouteState::set_breaker_by_hand(policy::CircuitByHand by_hand) {
  policy::OptionalBreaker::Changes changes;
  {
    const std::lock_guard lock(mutex_);
    changes = breaker_.set_by_hand(by_hand);
  }
  report(changes, "route", name_, events_);
}

BreakerLive breaker_live(const policy::CircuitBreaker& breaker, TimePoint now) {
  const auto snapshot = breaker.snapshot(now);
  BreakerLive live{.present = true,
                   .state = breaker.state(),
                   .rejected = breaker.rejected(),
                   .window_successes = snapshot.successes,
                   .window_failures = snapshot.failures,
                   .consecutive_failures = snapshot.consecutive_failures,
                   .retry_after = breaker.retry_after(now),
                   .observe = breaker.settings().mode == config::PolicyMode::Observe,
                   .by_hand = breaker.by_hand()};
  for (const auto state :
       {policy::CircuitState::Closed, policy::CircuitState::HalfOpen, policy::CircuitState::Open}) {
    live.transitions_to[static_cast<std::size_t>(state)] = breaker.transitions_to(state);
  }
  return live;
}

AdaptiveLive adaptive_live(const policy::AdaptiveConcurrency& adaptive, std::size_t waiting) {
  if (!adaptive.on()) return {};
  const auto snapshot = adaptive.snapshot();
  return {.present = true,
          .observe = snapshot.observing,
          .limit = snapshot.limit,
          .in_flight = snapshot.in_flight,
          .waiting = static_cast<std::uint32_t>(waiting),
          .short_rtt = snapshot.short_rtt,
          .long_rtt = snapshot.long_rtt,
          .observed_beyond = snapshot.observing ? snapshot.beyond : 0};
}

RouteLive RouteState::live(TimePoint now) const {
  const std::lock_guard lock(mutex_);
  RouteLive live;
  live.requests_in_flight = limit_.requests();
  live.max_requests = max_requests_.value_or(0);
  live.adaptive = adaptive_live(adaptive_, line_.size());
  static constexpr std::string_view kCriticalities[] = {"critical", "normal", "sheddable"};
  for (std::size_t i = 0; i < shed_.size(); ++i) {
    const auto count = shed_[i].load(std::memory_order_relaxed);
    const bool own = i == static_cast<std::size_t>(criticality_);
    if (own || count > 0) live.shed.push_back({std::string(kCriticalities[i]), count});
  }
  if (rate_limit_) live.rate_limited = rate_limit_->refusals();
  if (breaker_) live.breaker = breaker_live(*breaker_, std::max(latest_, now));
  return live;
}

}  // namespace outrigger::exchange
