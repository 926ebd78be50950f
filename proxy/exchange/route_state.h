// What all workers share of one route: its bulkhead, its circuit breaker, its rate limit.
//
// Stands once per route name and survives reloads. One short mutex; under it constant time only.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "config/model.h"
#include "proxy/base/random.h"
#include "proxy/base/time.h"
#include "proxy/exchange/events.h"
#include "proxy/exchange/fault_state.h"
#include "proxy/exchange/live_state.h"
#include "proxy/exchange/ports.h"
#include "proxy/policy/concurrency_limit.h"
#include "proxy/policy/optional_breaker.h"
#include "proxy/policy/outcome.h"
#include "proxy/policy/rate_limit.h"

namespace outrigger::exchange {

class RouteState {
 public:
  struct Permit {
    bool place = false;  // of the bulkhead
    policy::CircuitPermit circuit;
  };

  // `events` hears of changes of state, and outlives it; null: nobody does.
  RouteState(const config::Route& route, std::uint64_t seed, Events* events = nullptr);
  void configure(const config::Route& route);

  // The time until the next token, where none is left. Without a limit there always is one.
  std::optional<Duration> rate_limited(std::optional<std::string_view> key, TimePoint now);

  // Bulkhead before breaker: a half-open probe must not be granted and then shed. None in the
  // refusal's kind where `permit` was granted; it is then to be recorded and released once each.
  Refusal admit(TimePoint now, TimePoint deadline, Permit& permit);
  void record(const Permit& permit, policy::Verdict verdict, TimePoint now, Duration time_to_head);
  void release(Permit& permit);
  // By people; where the route has no circuit_breaker there is one as long as it is not Auto.
  void set_breaker_by_hand(policy::CircuitByHand by_hand);
  // What counts as a failure for this route's breaker; Uncounted without one.
  policy::Verdict verdict(const policy::TryEnd& end) const;

  FaultState& faults() { return faults_; }

  RouteLive live(TimePoint now) const;  // name and listener are the caller's to fill

 private:
  Refusal admit_locked(TimePoint now, TimePoint deadline, Permit& permit);

  FaultState faults_;
  const std::string name_;
  Events* const events_;
  const std::uint64_t seed_;
  mutable std::mutex mutex_;
  std::optional<std::uint32_t> max_requests_;
  policy::ConcurrencyLimit limit_;
  policy::OptionalBreaker breaker_;
  std::optional<policy::RateLimit> rate_limit_;
};

// The breaker's numbers in the form of the admin pages and metrics.
BreakerLive breaker_live(const policy::CircuitBreaker& breaker, TimePoint now);

}  // namespace outrigger::exchange
