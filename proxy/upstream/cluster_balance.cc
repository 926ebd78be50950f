// What ClusterState tells its balancer: where endpoints stand, and the hashes' tables.

#include "proxy/policy/stable_hash.h"
#include "proxy/upstream/cluster_state.h"

namespace outrigger::upstream {

policy::Place ClusterState::place_locked(const Slot& slot) const {
  return {.priority = slot.priority,
          .own_zone = !own_zone_.empty() && slot.zone == own_zone_,
          .key = policy::StableHash::of(slot.endpoint->address)};
}

void ClusterState::set_own_zone(const std::string& zone) {
  {
    const std::lock_guard lock(mutex_);
    if (own_zone_ == zone) return;
    own_zone_ = zone;
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].endpoint) choice_.set_place(i, place_locked(slots_[i]));
    }
  }
  rebuild_tables();
}

// On the control thread, after each change of the set: requests go by the old tables until the new
// ones are there.
void ClusterState::rebuild_tables() {
  std::optional<policy::HashPlan> plan;
  {
    const std::lock_guard lock(mutex_);
    plan = choice_.hash_plan();
  }
  if (!plan) return;
  auto tables = policy::build_tables(*plan);
  const std::lock_guard lock(mutex_);
  choice_.adopt(tables);
}

}  // namespace outrigger::upstream
