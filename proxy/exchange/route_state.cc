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
      breaker_(seed) {
  configure(route);
}

void RouteState::configure(const config::Route& route) {
  faults_.configure(route.fault);
  const std::lock_guard lock(mutex_);
  max_requests_ = route.limits.max_requests;
  limit_.configure(max_requests_.value_or(kUnlimited), kUnlimited);
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
  return rate_limit_ ? rate_limit_->refused(key, now) : std::nullopt;
}

Refusal RouteState::admit(TimePoint now, TimePoint deadline, Permit& permit) {
  Refusal refusal;
  policy::OptionalBreaker::Changes changes;
  {
    const std::lock_guard lock(mutex_);
    refusal = admit_locked(now, deadline, permit);
    changes = breaker_.take_untold();
  }
  report(changes, "route", name_, events_);
  return refusal;
}

Refusal RouteState::admit_locked(TimePoint now, TimePoint deadline, Permit& permit) {
  if (!limit_.try_acquire()) {
    return {.kind = FailureKind::Overflow, .limit = LimitKind::RouteMaxRequests};
  }
  if (breaker_) {
    permit.circuit = breaker_->admit(now, deadline);
    if (!permit.circuit.granted) {
      limit_.release();
      return {.kind = FailureKind::CircuitOpen, .retry_after = breaker_->retry_after(now)};
    }
  }
  permit.place = true;
  return {};
}

void RouteState::record(const Permit& permit, policy::Verdict verdict, TimePoint now,
                        Duration time_to_head) {
  if (!permit.circuit.granted) return;
  policy::OptionalBreaker::Changes changes;
  {
    const std::lock_guard lock(mutex_);
    if (breaker_) breaker_->record(permit.circuit, verdict, now, time_to_head);
    changes = breaker_.take_untold();
  }
  report(changes, "route", name_, events_);
}

void RouteState::release(Permit& permit) {
  if (!permit.place) return;
  const std::lock_guard lock(mutex_);
  limit_.release();
  permit = {};
}

void RouteState::set_breaker_by_hand(policy::CircuitByHand by_hand) {
  policy::OptionalBreaker::Changes changes;
  {
    const std::lock_guard lock(mutex_);
    changes = breaker_.set_by_hand(by_hand);
  }
  report(changes, "route", name_, events_);
}

policy::Verdict RouteState::verdict(const policy::TryEnd& end) const {
  const std::lock_guard lock(mutex_);
  return breaker_ ? policy::breaker_verdict(breaker_->settings(), end) : policy::Verdict::Uncounted;
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

RouteLive RouteState::live(TimePoint now) const {
  const std::lock_guard lock(mutex_);
  RouteLive live;
  live.requests_in_flight = limit_.requests();
  live.max_requests = max_requests_.value_or(0);
  if (rate_limit_) live.rate_limited = rate_limit_->refusals();
  if (breaker_) live.breaker = breaker_live(*breaker_, now);
  return live;
}

}  // namespace outrigger::exchange
