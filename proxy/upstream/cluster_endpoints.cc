// ClusterState's set of endpoints: what resolution and reloads find comes in, the rest departs.
//
// A slot outlives its endpoint until its last try and connection have ended, so that no number of
// theirs can refer to another endpoint.

#include <algorithm>

#include "proxy/upstream/cluster_state.h"

namespace outrigger::upstream {
namespace {

constexpr std::size_t kMaxSlots = 1024;

std::uint64_t next_endpoint_id() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

void ClusterState::set_endpoints(std::span<const WantedEndpoint> wanted, TimePoint now) {
  const bool changed = replace_endpoints(wanted, now);
  rebuild_tables();
  if (changed && endpoints_changed_) endpoints_changed_();
}

bool ClusterState::replace_endpoints(std::span<const WantedEndpoint> wanted, TimePoint now) {
  const std::lock_guard lock(mutex_);
  now = latest_locked(now);
  const auto is_wanted = [&](const Endpoint& endpoint) {
    return std::ranges::find(wanted, endpoint.address, &WantedEndpoint::address) != wanted.end();
  };
  bool changed = false;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (!slot.endpoint || slot.departing || is_wanted(*slot.endpoint)) continue;
    depart_locked(i);
    changed = true;
  }
  for (const WantedEndpoint& want : wanted) {
    const auto same = std::ranges::find_if(slots_, [&](const Slot& slot) {
      return slot.endpoint && !slot.departing && slot.endpoint->address == want.address;
    });
    if (same != slots_.end()) {
      const auto index = static_cast<std::uint32_t>(same - slots_.begin());
      if (*same->configured != want.configured) {
        same->configured = std::make_shared<const std::string>(want.configured);
        changed = true;
      }
      same->weight = want.weight;
      same->zone = want.zone;
      same->priority = want.priority;
      choice_.set_weight(index, want.weight);
      choice_.set_place(index, place_locked(*same));
      continue;
    }
    const auto index = free_slot_locked();
    if (!index) break;  // kMaxSlots: more addresses than a sidecar balances over
    slots_[*index] = {.endpoint = std::make_shared<Endpoint>(next_endpoint_id(), want.address),
                      .configured = std::make_shared<const std::string>(want.configured),
                      .by_hand = std::ranges::find(by_hand_, want.address) != by_hand_.end(),
                      .weight = want.weight,
                      .zone = want.zone,
                      .priority = want.priority};
    choice_.add(*index, want.weight, now, place_locked(slots_[*index]));
    start_health_locked(*index);
    if (!slots_[*index].by_hand) watch_locked(*index, now);
    update_selectable_locked(*index);
    ++endpoints_;
    changed = true;
  }
  if (changed) version_.fetch_add(1, std::memory_order_release);
  return changed;
}

// By outlier detection, where there is any.
void ClusterState::watch_locked(std::uint32_t index, TimePoint now) {
  if (!ejection_) return;
  ejection_->add(index, now);
  ejection_->set_healthy(index, slots_[index].health.healthy);
}

std::optional<std::uint32_t> ClusterState::free_slot_locked() {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].endpoint) return i;
  }
  if (slots_.size() == kMaxSlots) return std::nullopt;
  slots_.emplace_back();
  return static_cast<std::uint32_t>(slots_.size() - 1);
}

void ClusterState::depart_locked(std::uint32_t index) {
  slots_[index].departing = true;
  slots_[index].endpoint->departed = true;
  --endpoints_;
  if (ejection_) ejection_->remove(index);
  choice_.set_selectable(index, false);
  choice_.set_weight(index, 0);  // of no group any more
  free_if_drained_locked(index);
}

void ClusterState::free_if_drained_locked(std::uint32_t index) {
  Slot& slot = slots_[index];
  if (!slot.departing || slot.requests > 0 || slot.connections > 0) return;
  choice_.remove(index);
  slot = {};
}

void ClusterState::resolution_failed(const std::string& error) {
  const std::lock_guard lock(mutex_);
  ++discovery_failures_;
  resolution_error_ = error;
}

void ClusterState::resolution_succeeded(double unix_seconds, const std::string& still_failing) {
  const std::lock_guard lock(mutex_);
  discovery_last_success_ = unix_seconds;
  resolution_error_ = still_failing;
}

EndpointPtr ClusterState::endpoint_at(std::uint32_t slot) const {
  const std::lock_guard lock(mutex_);
  return slot < slots_.size() && !slots_[slot].departing ? slots_[slot].endpoint : nullptr;
}

ConfiguredPtr ClusterState::configured_at(std::uint32_t slot) const {
  const std::lock_guard lock(mutex_);
  return slots_[slot].configured;
}

}  // namespace outrigger::upstream
