// ClusterState's numbers, copied out for the metrics and the admin pages.

#include "proxy/exchange/route_state.h"
#include "proxy/upstream/cluster_state.h"

namespace outrigger::upstream {
namespace {

std::string name_of(config::LoadBalancerPolicy policy) {
  switch (policy) {
    case config::LoadBalancerPolicy::P2cEwma:
      return "p2c_ewma";
    case config::LoadBalancerPolicy::LeastRequest:
      return "least_request";
    case config::LoadBalancerPolicy::RoundRobin:
      return "round_robin";
    case config::LoadBalancerPolicy::Random:
      return "random";
    case config::LoadBalancerPolicy::RingHash:
      return "ring_hash";
    case config::LoadBalancerPolicy::Maglev:
      return "maglev";
  }
  return "";
}

std::string name_of(policy::OutlierEjection::State state) {
  switch (state) {
    case policy::OutlierEjection::State::Healthy:
      return "healthy";
    case policy::OutlierEjection::State::Ejected:
      return "ejected";
    case policy::OutlierEjection::State::Probation:
      return "probation";
  }
  return "";
}

}  // namespace

exchange::UpstreamLive ClusterState::live(TimePoint now) {
  const std::lock_guard lock(mutex_);
  now = latest_locked(now);
  advance_locked(now);
  exchange::UpstreamLive live;
  live.name = name_;
  live.policy = name_of(settings_.load_balancer.policy);
  live.panic = choice_.panic();
  std::uint32_t busy = 0;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    busy += slot.connections;
    if (!slot.endpoint || slot.departing) continue;
    exchange::EndpointLive& endpoint = live.endpoints.emplace_back();
    endpoint.address = slot.endpoint->address;
    endpoint.configured = *slot.configured;
    endpoint.weight = slot.weight;
    endpoint.weight_now = choice_.weight(i);
    endpoint.zone = slot.zone;
    endpoint.priority = slot.priority;
    endpoint.in_flight = slot.requests;
    endpoint.connections = slot.connections;
    endpoint.tries = slot.tries;
    endpoint.failures = slot.failures;
    for (std::size_t o = 0; o < kOutcomes; ++o) {
      endpoint.outcomes.push_back(
          {std::string(label(static_cast<exchange::AttemptOutcome>(o))), slot.outcomes[o]});
    }
    endpoint.latency = choice_.latency(i, now);
    endpoint.health = health_live_locked(slot, now);
    endpoint.by_hand = slot.by_hand;
    endpoint.draining = slot.draining_until != TimePoint{};
    endpoint.state = slot.by_hand ? "ejected" : slot.health.healthy ? "healthy" : "unhealthy";
    if (!ejection_ || slot.by_hand) continue;
    const auto health = ejection_->snapshot(i, now);
    if (slot.health.healthy) endpoint.state = name_of(health.state);
    if (health.state == policy::OutlierEjection::State::Ejected) {
      endpoint.ejected_for = health.ejected_until - now;
    }
    endpoint.ejections = health.ejections;
    if (i >= swept_.size() || swept_[i].endpoint != slot.endpoint) continue;
    const auto& swept = swept_[i].statistics;
    endpoint.swept = {swept.successes, swept.failures, swept.p95.value_or(Duration{})};
  }
  if (breaker_) {
    live.breaker = exchange::breaker_live(*breaker_, now);
  }
  live.adaptive = exchange::adaptive_live(adaptive_, line_.size());
  live.retry_budget_remaining = budget_.remaining(now);
  live.requests_in_flight = limit_.requests();
  live.requests_pending = static_cast<std::uint32_t>(queue_.size() + line_.size());
  live.connections_idle = idle_connections.load(std::memory_order_relaxed);
  live.connections_connecting = connecting.load(std::memory_order_relaxed);
  live.connections_active = busy - std::min(busy, live.connections_connecting);
  live.connects = {{"success", connects_succeeded.load(std::memory_order_relaxed)},
                   {"refused", connects_refused.load(std::memory_order_relaxed)},
                   {"timeout", connects_timed_out.load(std::memory_order_relaxed)}};
  if (ejection_) {
    for (std::size_t i = 0; i < policy::kDetectors; ++i) {
      const auto detector = static_cast<policy::Detector>(i);
      const auto add = [&](auto& counts, config::PolicyMode mode) {
        counts.push_back({std::string(label(detector)), ejection_->ejections(detector, mode)});
      };
      add(live.ejections, config::PolicyMode::Enforce);
      add(live.ejections_observed, config::PolicyMode::Observe);
    }
    for (std::size_t i = 0; i < policy::kEjectionDenials; ++i) {
      const auto cause = static_cast<policy::EjectionDenial>(i);
      live.ejections_denied.push_back({std::string(label(cause)), ejection_->denied(cause)});
    }
    live.ejection_observe = settings_.outlier_detection->mode == config::PolicyMode::Observe;
  }
  for (std::size_t i = 0; settings_.health_check && i < kCheckResults; ++i) {
    const auto result = static_cast<policy::CheckResult>(i);
    live.health_checks.push_back({std::string(label(result)), health_checks_[i]});
  }
  const auto& limits = settings_.limits;
  live.limits = {{"max_connections", limits.max_connections},
                 {"max_requests", limits.max_requests},
                 {"max_pending", limits.max_pending}};
  if (const auto& most = limits.max_requests_per_endpoint) {
    live.limits.push_back({"max_requests_per_endpoint", *most});
  }
  if (const auto& most = limits.max_connections_per_endpoint) {
    live.limits.push_back({"max_connections_per_endpoint", *most});
  }
  live.pending_duration = pending_duration_;
  live.bytes_in = bytes_in.load(std::memory_order_relaxed);
  live.bytes_out = bytes_out.load(std::memory_order_relaxed);
  live.discovery_failures = discovery_failures_;
  live.discovery_last_success = discovery_last_success_;
  live.resolution_error = resolution_error_;
  return live;
}

}  // namespace outrigger::upstream
