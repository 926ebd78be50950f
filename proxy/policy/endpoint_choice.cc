#include "proxy/policy/endpoint_choice.h"

#include <algorithm>

#include "proxy/base/check.h"

namespace outrigger::policy {
namespace {

constexpr std::uint64_t kTurnScale = std::uint64_t{1} << 32;  // a turn of weight 1
constexpr double kMinLatency = 1e3;  // 1 µs, in ns: load still counts where latency is unknown
constexpr double kMinFailed = 1e9;   // 1 s
constexpr double kFailedMedians = 10;
constexpr double kClearlyCheaper = 1.5;  // between endpoints of different weights, by latency

std::uint64_t turn_length(std::uint32_t weight) {
  return std::max<std::uint64_t>(1, kTurnScale / std::max(1u, weight));
}

double nanoseconds(Duration d) {
  return static_cast<double>(std::max(d, Duration{}).count());
}

Duration duration(double nanoseconds) {
  return Duration{static_cast<Duration::rep>(nanoseconds)};
}

}  // namespace

EndpointChoice::Slot* EndpointChoice::find(std::uint32_t slot) {
  return slot < slots_.size() && slots_[slot].present ? &slots_[slot] : nullptr;
}

const EndpointChoice::Slot* EndpointChoice::find(std::uint32_t slot) const {
  return slot < slots_.size() && slots_[slot].present ? &slots_[slot] : nullptr;
}

// The set of endpoints.

// Into and out of the trees; a slot that comes back waits as long as it had still to wait.
void EndpointChoice::enter(std::uint32_t slot) {
  Slot& entry = slots_[slot];
  entry.due += clock_;
  weights_.set(slot, entry.weight);
  turns_.set(slot, {.due = entry.due, .slot = slot, .taken = true});
  ++selectable_;
}

void EndpointChoice::leave(std::uint32_t slot) {
  Slot& entry = slots_[slot];
  const auto wait = static_cast<std::int64_t>(entry.due - clock_);
  entry.due = static_cast<std::uint64_t>(std::max<std::int64_t>(wait, 0));
  weights_.set(slot, 0);
  turns_.set(slot, {});
  --selectable_;
}

template <class Change>
void EndpointChoice::update(std::uint32_t slot, const Change& change) {
  Slot& entry = slots_[slot];
  if (entry.usable()) leave(slot);
  change(entry);
  if (entry.usable()) enter(slot);
}

void EndpointChoice::add(std::uint32_t slot, std::uint32_t weight, TimePoint now) {
  INVARIANT(slot < kMaxEndpoints);
  if (slot >= slots_.size()) {
    slots_.resize(slot + 1);
    scratch_.reserve(slots_.size());
    weights_.grow(slot + 1);
    turns_.grow(slot + 1);
  }
  INVARIANT(!slots_[slot].present);
  refresh_median(now);
  update(slot, [&](Slot& entry) {
    entry = {.present = true, .selectable = true, .weight = weight, .due = turn_length(weight) / 2};
  });
  ++present_;
  weight_sum_ += weight;
}

void EndpointChoice::forget_latency(std::uint32_t slot) {
  if (!find(slot)) return;
  slots_[slot].latency = {};
  slots_[slot].answered = {};
}

void EndpointChoice::set_weight(std::uint32_t slot, std::uint32_t weight) {
  if (!find(slot) || slots_[slot].weight == weight) return;
  weight_sum_ += weight;
  weight_sum_ -= slots_[slot].weight;
  update(slot, [&](Slot& entry) {
    entry.weight = weight;
    entry.due = std::min(entry.due, turn_length(weight));
  });
}

void EndpointChoice::remove(std::uint32_t slot) {
  if (!find(slot)) return;
  weight_sum_ -= slots_[slot].weight;
  --present_;
  update(slot, [](Slot& entry) { entry = {}; });
}

void EndpointChoice::set_selectable(std::uint32_t slot, bool selectable) {
  if (!find(slot) || slots_[slot].selectable == selectable) return;
  update(slot, [&](Slot& entry) { entry.selectable = selectable; });
}

void EndpointChoice::set_healthy(std::uint32_t slot, bool healthy) {
  if (!find(slot) || slots_[slot].healthy == healthy) return;
  update(slot, [&](Slot& entry) { entry.healthy = healthy; });
}

// The choice.

std::optional<std::uint32_t> EndpointChoice::choose(TimePoint now,
                                                    std::span<const std::uint32_t> avoid,
                                                    bool avoid_strictly) {
  const auto chosen = choose_among(now, avoid);
  if (chosen || avoid_strictly || avoid.empty()) return chosen;
  return choose_among(now, {});
}

std::optional<std::uint32_t> EndpointChoice::choose_among(TimePoint now,
                                                          std::span<const std::uint32_t> avoid) {
  for (const auto slot : avoid) {
    if (!find(slot)) continue;
    weights_.set(slot, 0);
    turns_.set(slot, {});
  }
  const bool by_turn = settings_.policy == config::LoadBalancerPolicy::RoundRobin;
  const auto chosen = by_turn ? take_turn() : draw(now);
  for (const auto slot : avoid) {
    if (!find(slot) || !slots_[slot].usable()) continue;
    weights_.set(slot, slots_[slot].weight);
    turns_.set(slot, {.due = slots_[slot].due, .slot = slot, .taken = true});
  }
  return chosen;
}

std::optional<std::uint32_t> EndpointChoice::take_turn() {
  const Turn turn = turns_.whole();
  if (!turn.taken) return std::nullopt;
  // One that was avoided is served late; the clock does not go back for it.
  if (static_cast<std::int64_t>(turn.due - clock_) > 0) clock_ = turn.due;
  Slot& entry = slots_[turn.slot];
  entry.due = clock_ + turn_length(entry.weight);
  turns_.set(turn.slot, {.due = entry.due, .slot = turn.slot, .taken = true});
  return turn.slot;
}

std::optional<std::uint32_t> EndpointChoice::draw(TimePoint now) {
  const auto total = weights_.whole();
  if (total == 0) return std::nullopt;
  const auto first = weights_.find(point_below(total));
  const auto weight = weights_.at(first.slot);
  if (settings_.policy == config::LoadBalancerPolicy::Random || weight == total) return first.slot;

  // The second from the rest: the first's stretch of the weights is stepped over.
  auto point = point_below(total - weight);
  if (point >= first.start) point += weight;
  return better(first.slot, weights_.find(point).slot, now);
}

// 53 random bits: no sum of kMaxEndpoints 32-bit weights needs more.
std::uint64_t EndpointChoice::point_below(std::uint64_t bound) {
  return static_cast<std::uint64_t>(random_.unit() * static_cast<double>(bound));
}

std::uint32_t EndpointChoice::better(std::uint32_t first, std::uint32_t second,
                                     TimePoint now) const {
  const Slot& a = slots_[first];
  const Slot& b = slots_[second];
  if (settings_.policy == config::LoadBalancerPolicy::LeastRequest) {
    return load(b) < load(a) ? second : first;
  }
  const double margin = a.weight == b.weight ? 1.0 : kClearlyCheaper;
  return cost(b, now) * margin < cost(a, now) ? second : first;
}

double EndpointChoice::load(const Slot& slot) const {
  const double mean = static_cast<double>(weight_sum_) / present_;
  return slot.in_flight * (mean / slot.weight) + 1;
}

double EndpointChoice::cost(const Slot& slot, TimePoint now) const {
  return std::max(slot.latency.read(now, median_), kMinLatency) * load(slot);
}

// What came of the tries.

void EndpointChoice::on_start(std::uint32_t slot, TimePoint /*now*/) {
  if (Slot* entry = find(slot)) ++entry->in_flight;
}

void EndpointChoice::on_end(std::uint32_t slot, TimePoint now, Duration time_to_head, bool failed,
                            bool sample) {
  Slot* entry = find(slot);
  if (!entry) return;
  // 0: begun at an endpoint that had the slot before.
  if (entry->in_flight > 0) --entry->in_flight;
  if (sample) on_sample(slot, now, time_to_head, failed);
}

void EndpointChoice::on_sample(std::uint32_t slot, TimePoint now, Duration time_to_head,
                               bool failed) {
  Slot* entry = find(slot);
  if (!entry) return;
  const double time = nanoseconds(time_to_head);
  if (failed) {
    entry->latency.add(std::max({time, kFailedMedians * median_, kMinFailed}), now);
  } else {
    entry->latency.add(time, now);
    entry->answered.add(time, now);
  }
  if (now >= median_until_ || (!failed && median_ <= 0)) refresh_median(now);
}

// The lower one of two: the slow endpoint of a pair is not its own yardstick. Endpoints that get
// no traffic now have no say; where none has one, the last median stands.
void EndpointChoice::refresh_median(TimePoint now) {
  median_until_ = now + kMedianRefresh;
  scratch_.clear();
  for (const Slot& slot : slots_) {
    if (slot.usable() && slot.answered.known()) scratch_.push_back(slot.answered.last());
  }
  if (scratch_.empty()) return;
  const auto middle = scratch_.begin() + static_cast<std::ptrdiff_t>((scratch_.size() - 1) / 2);
  std::nth_element(scratch_.begin(), middle, scratch_.end());
  median_ = *middle;
}

std::uint32_t EndpointChoice::in_flight(std::uint32_t slot) const {
  const Slot* entry = find(slot);
  return entry ? entry->in_flight : 0;
}

Duration EndpointChoice::latency(std::uint32_t slot, TimePoint now) const {
  const Slot* entry = find(slot);
  return entry ? duration(entry->latency.read(now, median_)) : Duration{};
}

Duration EndpointChoice::median() const {
  return duration(median_);
}

}  // namespace outrigger::policy
