// What people do to endpoints. A human's word stands above detectors and caps, so that an endpoint
// ejected by hand is none of the detectors' endpoints: they count, compare and cap among the rest.

#include <algorithm>

#include "proxy/base/log.h"
#include "proxy/exchange/breaker_report.h"
#include "proxy/upstream/cluster_state.h"

namespace outrigger::upstream {
namespace {

// Addresses that left while they were out are forgotten beyond this, the oldest first.
constexpr std::size_t kMaxByHand = 1024;

}  // namespace

std::optional<std::uint32_t> ClusterState::slot_of_locked(std::string_view address) const {
  std::optional<std::uint32_t> configured;
  bool several = false;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].endpoint || slots_[i].departing) continue;
    if (slots_[i].endpoint->address == address) return i;
    if (*slots_[i].configured != address) continue;
    several = configured.has_value();
    configured = i;
  }
  return several ? std::nullopt : configured;
}

ClusterState::ByHand ClusterState::eject_by_hand(std::string_view address, TimePoint now) {
  std::optional<std::uint32_t> slot;
  bool any_left = true;
  {
    const std::lock_guard lock(mutex_);
    slot = slot_of_locked(address);
    if (!slot) return ByHand::NoSuchEndpoint;
    if (slots_[*slot].by_hand) return ByHand::AlreadySo;
    slots_[*slot].by_hand = true;
    if (by_hand_.size() == kMaxByHand) by_hand_.erase(by_hand_.begin());
    by_hand_.push_back(slots_[*slot].endpoint->address);
    if (ejection_) ejection_->remove(*slot);
    update_selectable_locked(*slot);
    any_left = usable_locked(latest_locked(now));
  }
  report(*slot, {.ejected = true, .by_hand = true});
  if (!any_left) log::warn("upstream {}: no endpoint is left", name_);
  return ByHand::Done;
}

ClusterState::ByHand ClusterState::restore_by_hand(std::string_view address, TimePoint now) {
  std::optional<std::uint32_t> slot;
  {
    const std::lock_guard lock(mutex_);
    slot = slot_of_locked(address);
    if (!slot) return std::erase(by_hand_, address) > 0 ? ByHand::Done : ByHand::NoSuchEndpoint;
    Slot& entry = slots_[*slot];
    if (entry.by_hand) {
      entry.by_hand = false;
      std::erase(by_hand_, entry.endpoint->address);
      watch_locked(*slot, latest_locked(now));
    } else if (!ejection_ || !ejection_->restore(*slot)) {
      return ByHand::AlreadySo;
    }
    update_selectable_locked(*slot);
  }
  report(*slot, {.restored = true, .by_hand = true});
  return ByHand::Done;
}

void ClusterState::set_breaker_by_hand(policy::CircuitByHand by_hand) {
  policy::OptionalBreaker::Changes changes;
  {
    const std::lock_guard lock(mutex_);
    changes = breaker_.set_by_hand(by_hand);
  }
  exchange::report(changes, kScope, name_, events_);
}

}  // namespace outrigger::upstream
