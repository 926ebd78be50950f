// What stands right now, copied out at a scrape or for the admin pages: states of upstreams,
// endpoints, breakers and budgets, and the counters that belong to no single exchange.
//
// Plain values, filled by upstream/ and downstream/ under their locks and read without any.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"
#include "proxy/base/time.h"
#include "proxy/policy/circuit_breaker.h"

namespace outrigger::exchange {

struct BreakerLive {
  bool present = false;
  policy::CircuitState state = policy::CircuitState::Closed;
  std::array<std::uint64_t, 3> transitions_to{};  // by CircuitState
  std::uint64_t rejected = 0;
  std::uint32_t window_successes = 0;
  std::uint32_t window_failures = 0;
  std::uint32_t consecutive_failures = 0;
  Duration retry_after{};  // 0 when not open
  bool observe = false;
  policy::CircuitByHand by_hand = policy::CircuitByHand::Auto;
};

struct AdaptiveLive {
  bool present = false;
  bool observe = false;
  std::uint32_t limit = 0;
  std::uint32_t in_flight = 0;
  std::uint32_t waiting = 0;
  Duration short_rtt{};
  Duration long_rtt{};
  std::uint64_t observed_beyond = 0;  // let through by `mode: observe`
};

struct LabelledCount {
  std::string label;
  std::uint64_t count = 0;
};

// What active health checks say of an endpoint.
struct HealthLive {
  bool present = false;  // it is checked
  bool healthy = true;
  std::string_view result;        // of the last check: success, failure, timeout; empty: none yet
  std::string reason;             // "status 503"
  std::uint32_t consecutive = 0;  // checks in a row that were good, or not
  Duration ago{};                 // since the last one
};

struct EndpointLive {
  std::string address;     // the address in use, "10.0.0.1:8080"
  std::string configured;  // as written by the user (a host name perhaps)
  std::string state;       // healthy, unhealthy, ejected, probation
  bool by_hand = false;    // ejected so
  bool draining = false;   // it said so, and is left alone for a moment
  std::uint32_t weight = 1;
  double weight_now = 1;  // in slow start less
  std::string zone;
  std::uint32_t priority = 0;
  std::uint32_t in_flight = 0;
  std::uint32_t connections = 0;  // in use: with a try, or connecting for one
  std::uint64_t tries = 0;
  std::uint64_t failures = 0;           // that a detector would look at
  std::vector<LabelledCount> outcomes;  // of tries, by the label of upstream_attempts_total
  Duration latency{};                   // the balancer's average
  Duration ejected_for{};               // time left, 0 when not ejected
  std::uint32_t ejections = 0;          // consecutive ones: the multiplier
  struct Swept {                        // what the detectors' last sweep saw of it
    std::uint32_t successes = 0;
    std::uint32_t failures = 0;
    Duration p95{};  // 0: none, or no latency detector
  } swept;
  HealthLive health;
};

inline constexpr std::size_t kBucketCount = 18;  // CONFIG.md's histogram bounds, +Inf last
inline constexpr std::array<double, kBucketCount - 1> kBucketBounds = {
    .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30, 60};

// Counts per bucket (not cumulative) and the sum in seconds.
struct HistogramLive {
  std::array<std::uint64_t, kBucketCount> buckets{};
  double sum = 0;
};

struct UpstreamLive {
  std::string name;
  std::string policy;  // load_balancer.policy
  std::vector<EndpointLive> endpoints;
  bool panic = false;  // health checks are ignored
  BreakerLive breaker;
  AdaptiveLive adaptive;
  double retry_budget_remaining = 0;
  std::uint32_t requests_in_flight = 0;
  std::uint32_t requests_pending = 0;
  std::uint32_t connections_active = 0;
  std::uint32_t connections_idle = 0;
  std::uint32_t connections_connecting = 0;
  std::vector<LabelledCount> connects;            // by result: success, refused, timeout
  std::vector<LabelledCount> ejections;           // by detector
  std::vector<LabelledCount> ejections_observed;  // those that `mode: observe` did not make
  std::vector<LabelledCount> ejections_denied;    // by cause
  bool ejection_observe = false;                  // the mode now
  std::vector<LabelledCount> health_checks;       // by result; empty where none are made
  std::vector<LabelledCount> limits;              // key name → value in force
  HistogramLive pending_duration;
  std::uint64_t bytes_in = 0;   // received from the upstream
  std::uint64_t bytes_out = 0;  // sent to it
  std::uint64_t discovery_failures = 0;
  double discovery_last_success = 0;  // unix seconds, 0 = never or not resolved by name
  bool resolves_names = false;
  std::string resolution_error;  // the last one, empty when fine
};

struct RouteLive {
  std::string name;
  std::string listener;
  BreakerLive breaker;
  AdaptiveLive adaptive;
  std::vector<LabelledCount> shed;  // by criticality
  std::uint32_t requests_in_flight = 0;
  std::uint32_t max_requests = 0;             // 0: off
  std::optional<std::uint64_t> rate_limited;  // refusals, where there is a rate limit
  std::optional<config::Fault> fault;         // the one in force
  bool fault_at_run_time = false;
};

struct ListenerLive {
  std::string name;
  std::string address;
  std::uint32_t connections = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::vector<LabelledCount> overflows;  // by limit: max_connections, overload.max_connections
  std::vector<LabelledCount> timeouts;   // head, keepalive, read, write
};

struct LiveState {
  std::vector<ListenerLive> listeners;
  std::vector<RouteLive> routes;
  std::vector<UpstreamLive> upstreams;
  double event_loop_lag_seconds = 0;
  std::uint64_t buffered_bytes = 0;
  std::uint64_t buffered_bytes_limit = 0;
  bool draining = false;
  bool endpoint_labels = false;          // metrics.endpoint_labels
  std::uint64_t access_log_dropped = 0;  // lines
  std::uint64_t reloads_succeeded = 0;
  std::uint64_t reloads_failed = 0;
  bool last_reload_successful = true;
  double last_reload_success_timestamp = 0;  // unix seconds
};

}  // namespace outrigger::exchange
