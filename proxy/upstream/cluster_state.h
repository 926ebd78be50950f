// What all workers share of one upstream: its endpoints and their health, and the policies that
// must count over the whole daemon: bulkhead, breaker, ejection, balancer, retry budget.
//
// Plain policies behind one short mutex, so that a limit of 100 is 100 and not 100 × workers.
// Under the lock: constant time, no syscall, log or allocation. A place that comes free is
// handed to the oldest waiter under the lock, never freed and raced for. It stands once per
// upstream name and survives reloads and resolutions; endpoints are keyed by address.
//
// Each worker reads its clock once a turn, so that their times differ by a little: under the lock
// time only goes forward.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"
#include "proxy/base/random.h"
#include "proxy/base/time.h"
#include "proxy/exchange/events.h"
#include "proxy/exchange/live_state.h"
#include "proxy/exchange/ports.h"
#include "proxy/policy/adaptive_concurrency.h"
#include "proxy/policy/concurrency_limit.h"
#include "proxy/policy/endpoint_choice.h"
#include "proxy/policy/health_check.h"
#include "proxy/policy/latency_histogram.h"
#include "proxy/policy/optional_breaker.h"
#include "proxy/policy/outcome.h"
#include "proxy/policy/outlier_ejection.h"
#include "proxy/policy/pending_queue.h"
#include "proxy/policy/place_queue.h"
#include "proxy/policy/retry_budget.h"
#include "proxy/policy/urgency_queue.h"

namespace outrigger::upstream {

using exchange::Refusal;

// One address of the upstream. Immutable, and one object as long as it is configured.
struct Endpoint {
  Endpoint(std::uint64_t is, std::string at) : id(is), address(std::move(at)) {}

  std::uint64_t id = 0;                   // never used twice in a daemon's life
  std::string address;                    // "10.0.0.1:8080", "[::1]:80", "unix:/path"; never a name
  mutable std::uint32_t connections = 0;  // there are, also idle ones; under the cluster's lock
  mutable std::atomic<bool> departed{false};  // no longer one of the cluster's
};
using EndpointPtr = std::shared_ptr<const Endpoint>;
// An endpoint as the user wrote it. Apart from it, as a reload may write the same address
// otherwise.
using ConfiguredPtr = std::shared_ptr<const std::string>;

// What resolution found: the endpoints that should exist from now on.
struct WantedEndpoint {
  std::string address;
  std::string configured;
  std::uint32_t weight = 1;
  std::string zone;
  std::uint32_t priority = 0;
};

// The admission of one try. Settled once (what it came to) and finished once (its place back).
struct Ticket {
  std::uint32_t slot = exchange::kNoIndex;
  const Endpoint* endpoint = nullptr;  // lives until finish(): a removed one is kept for it
  policy::CircuitPermit circuit;
  bool probation = false;
  bool settled = false;
  bool failed = false;        // as the balancer sees it: failing fast must attract nothing
  bool sample = false;        // its time says something about the endpoint
  bool tried_before = false;  // this exchange has used this endpoint: take a new connection
  bool counted = false;       // holds a place of adaptive_concurrency
  std::uint32_t worker = 0;   // whose it is
};

// A try that waits for its place; an Attempt is one. `ticket` or `refusal` is filled under the
// lock when its turn comes; then its worker is told through `scheduler`.
struct Waiter : policy::PendingNode, exchange::Task {
  exchange::Scheduler* scheduler = nullptr;
  std::uint32_t worker = 0;  // the scheduler's
  bool first_try = false;    // pays into the retry budget when it begins
  bool repeatable = false;
  bool prefer_untried = true;
  bool elsewhere = false;
  std::optional<std::uint64_t> hash;  // of load_balancer.hash_on
  config::Criticality criticality = config::Criticality::Normal;
  std::span<const std::uint32_t> tried;
  TimePoint deadline = kNever;
  bool done = false;  // ticket or refusal is filled
  Ticket ticket;
  Refusal refusal;
};

class ClusterState {
 public:
  // A free probation place waits so long for a request that may be sent twice; then any will do,
  // so that an upstream which is only sent POSTs gets its endpoint back.
  static constexpr Duration kProbationPatience = std::chrono::seconds(5);
  // How long an endpoint that says it is draining is left alone.
  static constexpr Duration kDrainingPause = std::chrono::seconds(5);

  // One worker's side of the cluster.
  class Member : public exchange::Task {
   public:
    explicit Member(exchange::Scheduler& scheduler) : scheduler_(scheduler) {}
    // On its own thread: somebody waits until another connection may be opened. See
    // closing_helps().
    virtual void close_idle_for_others() = 0;

   private:
    friend class ClusterState;
    void run() final {
      asked_ = false;
      close_idle_for_others();
    }
    exchange::Scheduler& scheduler_;
    std::atomic<bool> asked_{false};  // and not answered yet
  };
  // On the member's thread; it leaves before it is destroyed.
  void join(Member& member);
  void leave(Member& member);

  // `events` hears of changes of state, and outlives it; null: nobody does.
  ClusterState(const config::Upstream& settings, std::uint64_t seed,
               exchange::Events* events = nullptr, std::uint32_t workers = 1);
  ~ClusterState();

  void configure(const config::Upstream& settings, TimePoint now);
  void set_endpoints(std::span<const WantedEndpoint> wanted, TimePoint now);
  // Where this sidecar runs, for zone_aware.
  void set_own_zone(const std::string& zone);
  // Called after a change of the set, on the thread that made it. Empty: nobody is interested.
  void on_endpoints_changed(std::function<void()> changed) { endpoints_changed_ = changed; }
  void resolution_failed(const std::string& error);
  // `still_failing`: what another name of the upstream complains of; empty: all resolve.
  void resolution_succeeded(double unix_seconds, const std::string& still_failing);

  // By people. An endpoint is out until restored, whatever caps say (usable() tells whether any is
  // left), and the detectors look at the others only; its address stays out when it leaves and
  // comes back. Restoring also ends a detector's ejection. `address`: in use, or as configured
  // where one endpoint alone is.
  enum class ByHand : std::uint8_t { Done, NoSuchEndpoint, AlreadySo };
  ByHand eject_by_hand(std::string_view address, TimePoint now);
  ByHand restore_by_hand(std::string_view address, TimePoint now);

  // There is a breaker as long as it is not Auto, whether configured or not.
  void set_breaker_by_hand(policy::CircuitByHand by_hand);

  // The way of a try.
  enum class Admission : std::uint8_t { Granted, Queued, Refused };
  // Bulkhead, breaker, balancer. `waiter` carries the question, and the ticket or refusal when
  // answered at once.
  Admission admit(Waiter& waiter, bool may_queue, TimePoint now);
  void leave_queue(Waiter& waiter, TimePoint now);  // idempotent; a place it was handed passes on
  // What the try came to: to breaker, ejection and balancer. `time_to_head` 0: it had not begun, or
  // the request not ended, and says nothing.
  void settle(Ticket& ticket, const policy::TryEnd& end, Duration time_to_head, TimePoint now);
  void body_broke(const Ticket& ticket, TimePoint now);  // adds one failure to the endpoint
  // The place comes back, and passes to the oldest waiter. `connection_stays`: only the request's
  // (an upgraded connection, or one that still reads a dropped response).
  void finish(Ticket& ticket, Duration time_to_head, bool connection_stays, TimePoint now);
  // After configure(), from a worker: higher limits let those in who wait.
  void serve_queue(std::uint32_t worker, TimePoint now);
  // Of a ticket that was finished without it.
  void connection_freed(std::uint32_t slot, std::uint32_t worker, TimePoint now);

  // Connections themselves, whatever they do and whichever worker has them: no more than
  // max_connections, and max_connections_per_endpoint. Counted when it begins to connect; false:
  // there are as many as may be.
  bool open_connection(const Endpoint& endpoint);
  void connection_closed(const Endpoint& endpoint);
  // There are as many as may be and none of the waiter's worker is idle: others are asked for
  // theirs. It is told when one has been counted for it.
  void await_connection(Waiter& waiter);
  // Idempotent; what was counted for it goes to another.
  void stop_awaiting(Waiter& waiter);
  // Somebody waits so, and closing one of that slot's would let him go on: none is to become or
  // stay idle.
  bool closing_helps(std::uint32_t slot) const;

  // What a plan asks.
  bool other_endpoint_usable(std::span<const std::uint32_t> tried, TimePoint now);
  bool breaker_refuses(TimePoint now);
  bool withdraw_retry(TimePoint now);
  void refund_retry(TimePoint now);
  // Of the recent times to the head; empty while too few are known.
  std::optional<Duration> latency_percentile(std::uint32_t percentile, TimePoint now);

  // Connections, counted over all workers.
  std::atomic<std::uint32_t> idle_connections{0};
  std::atomic<std::uint32_t> connecting{0};
  std::atomic<std::uint64_t> bytes_in{0}, bytes_out{0};
  std::atomic<std::uint64_t> connects_succeeded{0}, connects_refused{0}, connects_timed_out{0};

  // The endpoint in that slot, or null. Bumps with every change of the set: pools compare it.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  EndpointPtr endpoint_at(std::uint32_t slot) const;
  // Of a ticket not finished yet.
  ConfiguredPtr configured_at(std::uint32_t slot) const;

  // Active health checks, from the control thread.
  struct EndpointInSlot {
    std::uint32_t slot = 0;
    EndpointPtr endpoint;
    ConfiguredPtr configured;
    bool healthy = true;
  };
  std::vector<EndpointInSlot> endpoints() const;
  // After each check. An unhealthy endpoint gets no traffic; those who wait are served by the next
  // serve_queue().
  void set_health(const EndpointInSlot& checked, const policy::Health& health);
  bool healthy(std::uint32_t slot) const;
  std::atomic<std::uint64_t> tries_begun{0};

  // From the control thread, often; sweeps every outlier_detection.interval.
  void sweep_if_due(TimePoint now);
  // Likewise: says when panic has begun or ended since it was last called.
  void report_panic();
  exchange::UpstreamLive live(TimePoint now);
  // Has an endpoint that is healthy and not ejected, however busy.
  bool usable(TimePoint now);

 private:
  static constexpr std::string_view kScope = "upstream";  // of its breaker and events
  static constexpr Duration kLatencyWindow = std::chrono::seconds(10);
  static constexpr auto kCheckResults = static_cast<std::size_t>(policy::CheckResult::kCount);
  static constexpr auto kOutcomes = static_cast<std::size_t>(exchange::AttemptOutcome::kCount);
  struct Slot {
    EndpointPtr endpoint;  // null: free
    ConfiguredPtr configured;
    bool departing = false;  // removed, while tries are still on it
    bool by_hand = false;    // ejected so
    std::uint32_t weight = 1;
    std::string zone;
    std::uint32_t priority = 0;
    policy::Health health;
    TimePoint on_probation_since{};
    TimePoint draining_until{};  // it said so; 0: it did not
    std::uint32_t requests = 0;
    std::uint32_t connections = 0;  // busy ones
    std::uint64_t tries = 0;
    std::uint64_t failures = 0;
    std::array<std::uint64_t, kOutcomes> outcomes{};
  };
  struct Swept {
    EndpointPtr endpoint;  // null: there was none
    policy::IntervalStatistics statistics;
    bool passes = false;  // faultless, and no verdict on it
  };
  enum class Pick : std::uint8_t { Found, None, AllAtLimit };

  Admission admit_or_queue_locked(Waiter& waiter, bool may_queue, TimePoint now);
  bool admit_locked(Waiter& waiter, TimePoint now);  // false: stays or goes to the queue
  Pick pick_locked(Waiter& waiter, TimePoint now);
  std::optional<std::uint32_t> probation_for_locked(const Waiter& waiter, bool last_resort,
                                                    TimePoint now) const;
  exchange::LimitKind limit_hit_locked() const;
  void serve_queue_locked(std::uint32_t worker, TimePoint now);
  bool may_open_locked(const Endpoint& endpoint) const;
  void count_open_locked(const Endpoint& endpoint);
  void serve_awaiting_locked();
  // The latest that any worker has said.
  TimePoint latest_locked(TimePoint now) { return latest_ = std::max(latest_, now); }
  Admission join_line_locked(Waiter& waiter, bool may_queue, TimePoint now);
  void leave_adaptive_locked(Ticket& ticket);
  void take_slot_locked(Waiter& waiter, std::uint32_t slot, bool probation, TimePoint now);
  void update_selectable_locked(std::uint32_t slot);
  // After a try began or ended there, which matters to limits of each endpoint only.
  void update_limited_locked(std::uint32_t slot) {
    const auto& limits = settings_.limits;
    if (limits.max_requests_per_endpoint || limits.max_connections_per_endpoint) {
      update_selectable_locked(slot);
    }
  }
  bool selectable_locked(std::uint32_t slot) const;
  void pause_draining_locked(std::uint32_t slot, TimePoint now);
  void advance_locked(TimePoint now);
  bool in_service_locked(std::uint32_t slot) const;
  bool usable_locked(TimePoint now);
  std::optional<std::uint32_t> slot_of_locked(std::string_view address) const;
  policy::Place place_locked(const Slot& slot) const;
  void rebuild_tables();
  bool at_limit_locked(const Slot& slot) const;
  void depart_locked(std::uint32_t slot);
  void free_if_drained_locked(std::uint32_t slot);
  std::optional<std::uint32_t> free_slot_locked();
  std::optional<policy::IntervalCounts> close_interval(std::uint32_t slot, EndpointPtr& endpoint);
  void carry_out(const policy::SweepVerdict& verdict, const EndpointPtr& endpoint, TimePoint now);
  void pass(std::uint32_t slot, const EndpointPtr& endpoint);
  // Without the lock.
  void report(std::uint32_t slot, const policy::OutlierEjection::Change& change);
  void tell(exchange::Event event);
  bool replace_endpoints(std::span<const WantedEndpoint> wanted, TimePoint now);
  exchange::HealthLive health_live_locked(const Slot& slot, TimePoint now) const;
  void watch_locked(std::uint32_t slot, TimePoint now);
  void start_health_locked(std::uint32_t slot);
  void forget_health_locked();

  const std::string name_;
  exchange::Events* const events_;
  mutable std::mutex mutex_;
  config::Upstream settings_;
  std::string own_zone_;
  std::vector<Slot> slots_;
  std::uint32_t endpoints_ = 0;
  std::vector<std::string> by_hand_;  // addresses, also of endpoints that are gone
  TimePoint latest_{};
  policy::ConcurrencyLimit limit_;  // of tickets
  policy::PlaceQueue queue_;
  std::uint32_t connections_ = 0;              // there are, also idle ones
  policy::PendingQueue awaiting_{UINT32_MAX};  // at most one a ticket
  std::atomic<bool> wanted_{false};            // awaiting_ is not empty
  std::vector<Member*> members_;
  policy::AdaptiveConcurrency adaptive_;
  policy::UrgencyQueue line_;  // of those beyond adaptive_'s limit; queue_ is served before it
  policy::OptionalBreaker breaker_;
  std::optional<policy::OutlierEjection> ejection_;
  policy::EndpointChoice choice_;
  policy::RetryBudget budget_;
  exchange::HistogramLive pending_duration_;
  TimePoint pauses_end_ = kNever;                     // the first of the slots' draining_until
  policy::LatencyHistogram latency_{kLatencyWindow};  // time to the head, of all endpoints
  TimePoint last_sweep_{};
  bool told_panic_ = false;
  std::vector<Swept> swept_;  // what the last sweep compared, by slot
  std::function<void()> endpoints_changed_;
  std::array<std::uint64_t, kCheckResults> health_checks_{};
  std::uint64_t discovery_failures_ = 0;
  double discovery_last_success_ = 0;
  std::string resolution_error_;
  std::atomic<std::uint64_t> version_{0};
};

}  // namespace outrigger::upstream
