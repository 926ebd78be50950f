// ClusterState's side of the active health checks: what they found, and who gets no traffic by it.

#include "proxy/upstream/cluster_state.h"

namespace outrigger::upstream {

std::vector<ClusterState::EndpointInSlot> ClusterState::endpoints() const {
  const std::lock_guard lock(mutex_);
  std::vector<EndpointInSlot> found;
  found.reserve(endpoints_);
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.endpoint && !slot.departing) {
      found.push_back({i, slot.endpoint, slot.configured, slot.health.healthy});
    }
  }
  return found;
}

// A new endpoint, before anything else sees it: none is sent a request that should not be.
void ClusterState::start_health_locked(std::uint32_t index) {
  const auto& checks = settings_.health_check;
  const bool healthy = !checks || checks->initially == config::InitialHealth::Healthy;
  slots_[index].health = {.healthy = healthy};
  choice_.set_healthy(index, healthy);
}

// Nobody is checked any more.
void ClusterState::forget_health_locked() {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    slots_[i].health = {};
    choice_.set_healthy(i, true);
    if (ejection_) ejection_->set_healthy(i, true);
  }
}

void ClusterState::set_health(const EndpointInSlot& checked, const policy::Health& health) {
  {
    const std::lock_guard lock(mutex_);
    ++health_checks_[static_cast<std::size_t>(policy::result_of(*health.last))];
    Slot& slot = slots_[checked.slot];
    if (slot.endpoint != checked.endpoint || slot.departing) return;
    const bool changed = slot.health.healthy != health.healthy;
    slot.health = health;
    if (!changed) return;
    if (ejection_) ejection_->set_healthy(checked.slot, health.healthy);
    choice_.set_healthy(checked.slot, health.healthy);
    version_.fetch_add(1, std::memory_order_release);  // pools drop what the unhealthy have idle
  }
  tell({.kind = exchange::EventKind::Health,
        .endpoint = checked.endpoint->address,
        .to = health.healthy ? "healthy" : "unhealthy",
        .cause = std::to_string(health.consecutive) +
                 " checks in a row, the last: " + policy::reason(*health.last)});
}

bool ClusterState::healthy(std::uint32_t slot) const {
  const std::lock_guard lock(mutex_);
  return slot < slots_.size() && slots_[slot].health.healthy;
}

exchange::HealthLive ClusterState::health_live_locked(const Slot& slot, TimePoint now) const {
  const policy::Health& health = slot.health;
  exchange::HealthLive live{.present = settings_.health_check.has_value(),
                            .healthy = health.healthy,
                            .consecutive = health.consecutive};
  if (!health.last) return live;
  live.result = label(policy::result_of(*health.last));
  live.reason = policy::reason(*health.last);
  live.ago = now - health.checked_at;
  return live;
}

}  // namespace outrigger::upstream
