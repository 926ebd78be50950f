// What all workers share of one route: its bulkheads, its circuit breaker, its rate limit.
//
// Stands once per route name and survives reloads. One short mutex; under it constant time only.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
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
#include "proxy/policy/adaptive_concurrency.h"
#include "proxy/policy/concurrency_limit.h"
#include "proxy/policy/optional_breaker.h"
#include "proxy/policy/outcome.h"
#include "proxy/policy/rate_limit.h"
#include "proxy/policy/urgency_queue.h"

namespace outrigger::exchange {

class RouteState {
 public:
  struct Permit {
    bool place = false;  // of the bulkhead
    policy::CircuitPermit circuit;
    TimePoint admitted_at{};
    bool counted = false;  // holds a place of adaptive_concurrency
  };
  // An exchange that waits beyond the adaptive limit. `permit` or `refusal` is filled under the
  // lock when its turn comes; then its worker is told through `scheduler`.
  struct Waiter : policy::PendingNode, Task {
    Scheduler* scheduler = nullptr;
    TimePoint deadline = kNever;
    Permit permit;
    Refusal refusal;
  };
  enum class Admission : std::uint8_t { Granted, Queued, Refused };

  // `events` hears of changes of state, and outlives it; null: nobody does.
  RouteState(const config::Route& route, std::uint64_t seed, Events* events = nullptr);
  void configure(const config::Route& route);

  void count_shed(config::Criticality criticality) {
    shed_[static_cast<std::size_t>(criticality)].fetch_add(1, std::memory_order_relaxed);
  }
  // The time until the next token, where none is left. Without a limit there always is one.
  std::optional<Duration> rate_limited(std::optional<std::string_view> key, TimePoint now);

  // Bulkhead before breaker: a half-open probe must not be granted and then shed. `waiter` carries
  // the question, and the permit or refusal when answered at once. A permit is to be recorded and
  // released once each.
  Admission admit(Waiter& waiter, TimePoint now);
  void leave_line(Waiter& waiter);  // idempotent
  // After configure(), from the worker: a higher limit lets those in who wait.
  void serve_line(TimePoint now);
  // What the exchange took up to its response head or timeout; 0: its request was not whole.
  void sample(Permit& permit, const policy::TryEnd& end, TimePoint now, Duration time_to_head);
  // What the exchange came to, for the breaker; null: it says nothing.
  void record(const Permit& permit, const policy::TryEnd* end, TimePoint now,
              Duration time_to_head);
  void release(Permit& permit, TimePoint now);
  // By people; where the route has no circuit_breaker there is one as long as it is not Auto.
  void set_breaker_by_hand(policy::CircuitByHand by_hand);

  FaultState& faults() { return faults_; }

  RouteLive live(TimePoint now) const;  // name and listener are the caller's to fill

 private:
  Admission admit_or_queue_locked(Waiter& waiter, TimePoint now);
  void admit_locked(Waiter& waiter, TimePoint now);
  void leave_adaptive_locked(Permit& permit);
  void serve_line_locked(TimePoint now);
  // Workers' clocks differ by a little: the latest that any has said.
  TimePoint latest_locked(TimePoint now) { return latest_ = std::max(latest_, now); }

  FaultState faults_;
  const std::string name_;
  Events* const events_;
  const std::uint64_t seed_;
  std::array<std::atomic<std::uint64_t>, 3> shed_{};  // by criticality
  mutable std::mutex mutex_;
  TimePoint latest_{};
  std::optional<std::uint32_t> max_requests_;
  config::Criticality criticality_ = config::Criticality::Normal;
  policy::ConcurrencyLimit limit_;
  policy::AdaptiveConcurrency adaptive_;
  policy::UrgencyQueue line_{0};
  policy::OptionalBreaker breaker_;
  std::optional<policy::RateLimit> rate_limit_;
};

// The breaker's numbers in the form of the admin pages and metrics.
BreakerLive breaker_live(const policy::CircuitBreaker& breaker, TimePoint now);

AdaptiveLive adaptive_live(const policy::AdaptiveConcurrency& adaptive, std::size_t waiting);

}  // namespace outrigger::exchange
