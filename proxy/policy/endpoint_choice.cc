#include "proxy/policy/endpoint_choice.h"

#include <algorithm>

#include "proxy/base/check.h"
#include "proxy/policy/stable_hash.h"

namespace outrigger::policy {
namespace {

constexpr std::uint64_t kTurnScale = std::uint64_t{1} << 42;  // over the scaled weights
constexpr double kMinLatency = 1e3;  // 1 µs, in ns: load still counts where latency is unknown
constexpr double kMinFailed = 1e9;   // 1 s
constexpr double kFailedMedians = 10;
constexpr double kClearlyCheaper = 1.5;  // between endpoints of different weights, by latency
// How far a hash goes on to a usable endpoint before it is placed among the usable ones directly.
constexpr std::size_t kMaxSteps = 256;
constexpr std::uint64_t kWarmSeed = 0x736c6f77;

double nanoseconds(Duration d) {
  return static_cast<double>(std::max(d, Duration{}).count());
}

// No weight comes near 2^63; of a signed number it takes one instruction.
double as_double(std::uint64_t weight) {
  return static_cast<double>(static_cast<std::int64_t>(weight));
}

Duration duration(double nanoseconds) {
  return Duration{static_cast<Duration::rep>(nanoseconds)};
}

}  // namespace

EndpointChoice::EndpointChoice(const config::LoadBalancer& settings, Random random)
    : settings_(settings), random_(random), pools_(1) {
  set_policy(settings.policy);
}

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
  Pool& pool = pools_[entry.pool];
  entry.due = std::min(entry.due, entry.turn) + pool.clock;
  pool.weights.set(slot, entry.effective);
  pool.heaviest = std::max(pool.heaviest, entry.effective);
  pool.turns.set(slot, {.due = entry.due, .slot = slot, .taken = true});
  ++selectable_;
}

void EndpointChoice::leave(std::uint32_t slot) {
  Slot& entry = slots_[slot];
  Pool& pool = pools_[entry.pool];
  const auto wait = static_cast<std::int64_t>(entry.due - pool.clock);
  entry.due = static_cast<std::uint64_t>(std::max<std::int64_t>(wait, 0));
  pool.weights.set(slot, 0);
  pool.turns.set(slot, {});
  --selectable_;
}

void EndpointChoice::set_effective(Slot& slot, std::uint64_t effective) {
  slot.effective = effective;
  slot.turn = std::max<std::uint64_t>(1, kTurnScale / std::max<std::uint64_t>(1, effective));
}

template <class Change>
void EndpointChoice::update(std::uint32_t slot, const Change& change) {
  Slot& entry = slots_[slot];
  if (usable(entry)) leave(slot);
  change(entry);
  if (usable(entry)) enter(slot);
}

// The same where the change concerns what its group is counted by.
template <class Change>
void EndpointChoice::update_member(std::uint32_t slot, const Change& change) {
  count(slots_[slot], -1);
  update(slot, change);
  count(slots_[slot], 1);
}

void EndpointChoice::add(std::uint32_t slot, std::uint32_t weight, TimePoint now,
                         const Place& place) {
  INVARIANT(slot < kMaxEndpoints);
  if (slot >= slots_.size()) {
    slots_.resize(slot + 1);
    scratch_.reserve(slots_.size());
    for (Pool& pool : pools_) {
      pool.weights.grow(slot + 1);
      pool.turns.grow(slot + 1);
    }
  }
  INVARIANT(!slots_[slot].present);
  refresh_median(now);
  update_member(slot, [&](Slot& entry) {
    entry = {.present = true, .selectable = true, .weight = weight, .place = place};
    set_effective(entry, weight * kWhole);
    entry.due = entry.turn / 2;
    start_warming(entry);
    entry.warm_since = now;
  });
  change_weights(1, weight);
  set_change();
}

void EndpointChoice::change_weights(int endpoints, std::int64_t weight) {
  present_ += static_cast<std::uint32_t>(endpoints);  // modulo 2^n, both
  weight_sum_ += static_cast<std::uint64_t>(weight);
  if (present_ > 0) mean_weight_ = static_cast<double>(weight_sum_ * kWhole) / present_;
}

void EndpointChoice::forget_latency(std::uint32_t slot) {
  if (!find(slot)) return;
  slots_[slot].latency = {};
  slots_[slot].answered = {};
}

void EndpointChoice::set_weight(std::uint32_t slot, std::uint32_t weight) {
  if (!find(slot) || slots_[slot].weight == weight) return;
  change_weights(0, std::int64_t{weight} - slots_[slot].weight);
  update_member(slot, [&](Slot& entry) {
    entry.weight = weight;
    set_effective(entry, weight * kWhole);
  });
  warmth_until_ = {};
  set_change();
}

void EndpointChoice::set_place(std::uint32_t slot, const Place& place) {
  if (!find(slot) || slots_[slot].place == place) return;
  slots_[slot].place = place;
  set_change();
}

void EndpointChoice::remove(std::uint32_t slot) {
  if (!find(slot)) return;
  const bool was_member = slots_[slot].member();
  change_weights(-1, -std::int64_t{slots_[slot].weight});
  if (slots_[slot].warming) --warming_;
  update_member(slot, [](Slot& entry) { entry = {}; });
  if (was_member) set_change();
}

void EndpointChoice::set_selectable(std::uint32_t slot, bool selectable) {
  if (!find(slot) || slots_[slot].selectable == selectable) return;
  update(slot, [&](Slot& entry) { entry.selectable = selectable; });
}

void EndpointChoice::set_in_service(std::uint32_t slot, bool in_service) {
  if (!find(slot) || slots_[slot].in_service == in_service) return;
  update_member(slot, [&](Slot& entry) {
    entry.in_service = in_service;
    if (in_service) start_warming(entry);
  });
}

void EndpointChoice::set_healthy(std::uint32_t slot, bool healthy) {
  if (!find(slot) || slots_[slot].healthy == healthy) return;
  update_member(slot, [&](Slot& entry) {
    entry.healthy = healthy;
    if (healthy) start_warming(entry);
  });
  if (healthy) forget_latency(slot);
  review_panic();
}

// The choice.

void EndpointChoice::set_policy(config::LoadBalancerPolicy policy) {
  by_turn_ = policy == config::LoadBalancerPolicy::RoundRobin;
  hashed_ = policy == config::LoadBalancerPolicy::RingHash ||
            policy == config::LoadBalancerPolicy::Maglev;
}

std::optional<std::uint32_t> EndpointChoice::choose(TimePoint now,
                                                    std::span<const std::uint32_t> avoid,
                                                    bool avoid_strictly,
                                                    std::optional<std::uint64_t> hash) {
  if (warming_ > 0 && now >= warmth_until_) refresh_warmth(now);
  // What most configurations come to, by the shortest way.
  if (pools_.size() == 1 && avoid.empty() && !hashed_) {
    return by_turn_ ? take_turn(pools_[0]) : draw(pools_[0], now);
  }
  if (!hashed_) {
    hash.reset();
  } else if (!hash) {
    hash = random_.next();
  }
  const auto chosen = choose_among(now, avoid, hash);
  if (chosen || avoid_strictly || avoid.empty()) return chosen;
  return choose_among(now, {}, hash);
}

std::optional<std::uint32_t> EndpointChoice::choose_among(TimePoint now,
                                                          std::span<const std::uint32_t> avoid,
                                                          std::optional<std::uint64_t> hash) {
  if (pools_.size() == 1) return choose_in(0, now, avoid, hash);
  const auto drawn = draw_pool(hash);
  if (const auto chosen = choose_in(drawn, now, avoid, hash)) return chosen;
  for (std::uint32_t pool = 0; pool < pools_.size(); ++pool) {
    if (pool == drawn) continue;
    if (const auto chosen = choose_in(pool, now, avoid, hash)) return chosen;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> EndpointChoice::choose_in(std::uint32_t pool, TimePoint now,
                                                       std::span<const std::uint32_t> avoid,
                                                       std::optional<std::uint64_t> hash) {
  if (hash) {
    if (const auto found = look_up(pool, *hash, avoid)) return found;
  }
  Pool& among = pools_[pool];
  for (const auto slot : avoid) {
    if (!find(slot) || slots_[slot].pool != pool) continue;
    among.weights.set(slot, 0);
    among.turns.set(slot, {});
  }
  const auto chosen = hash       ? place_directly(among, *hash)
                      : by_turn_ ? take_turn(among)
                                 : draw(among, now);
  for (const auto slot : avoid) {
    if (!find(slot) || slots_[slot].pool != pool || !usable(slots_[slot])) continue;
    among.weights.set(slot, slots_[slot].effective);
    among.turns.set(slot, {.due = slots_[slot].due, .slot = slot, .taken = true});
  }
  return chosen;
}

std::optional<std::uint32_t> EndpointChoice::take_turn(Pool& pool) {
  const Turn turn = pool.turns.whole();
  if (!turn.taken) return std::nullopt;
  // One that was avoided is served late; the clock does not go back for it.
  if (static_cast<std::int64_t>(turn.due - pool.clock) > 0) pool.clock = turn.due;
  Slot& entry = slots_[turn.slot];
  entry.due = pool.clock + entry.turn;
  pool.turns.set(turn.slot, {.due = entry.due, .slot = turn.slot, .taken = true});
  return turn.slot;
}

std::optional<std::uint32_t> EndpointChoice::draw(const Pool& pool, TimePoint now) {
  const auto total = pool.weights.whole();
  if (total == 0) return std::nullopt;
  if (selectable_ == 1) return pool.weights.find(0);
  const std::uint64_t bits = random_.next();
  auto first = guess(pool, static_cast<std::uint32_t>(bits));
  if (!first) first = pool.weights.find(point_below(total));
  const auto weight = pool.weights.at(*first);
  if (settings_.policy == config::LoadBalancerPolicy::Random || weight == total) return first;

  auto second = guess(pool, static_cast<std::uint32_t>(bits >> 32), first);
  if (!second) {
    // From the rest: the first's stretch of the weights is stepped over.
    auto point = point_below(total - weight);
    if (point >= pool.weights.before(*first)) point += weight;
    second = pool.weights.find(point);
  }
  return better(*first, *second, now);
}

// By weight, but never `but`: a slot at random, which stands with the odds of its weight to the
// heaviest. Among many that are alike it does, and no tree is walked.
std::optional<std::uint32_t> EndpointChoice::guess(const Pool& pool, std::uint32_t random_bits,
                                                   std::optional<std::uint32_t> but) {
  const auto slot =
      static_cast<std::uint32_t>(std::uint64_t{random_bits} * pool.weights.capacity() >> 32);
  const auto weight = pool.weights.at(slot);
  if (weight == 0 || slot == but) return std::nullopt;
  if (weight < pool.heaviest && point_below(pool.heaviest) >= weight) return std::nullopt;
  return slot;
}

// Among the usable ones, where the table has none or does not stand yet.
std::optional<std::uint32_t> EndpointChoice::place_directly(const Pool& pool, std::uint64_t hash) {
  const auto total = pool.weights.whole();
  if (total == 0) return std::nullopt;
  return pool.weights.find(hash % total);
}

// From the key's place in the pool's table on to the first endpoint that may be used.
std::optional<std::uint32_t> EndpointChoice::look_up(std::uint32_t pool, std::uint64_t hash,
                                                     std::span<const std::uint32_t> avoid) const {
  const auto walk = [&](const auto& table) -> std::optional<std::uint32_t> {
    const std::size_t steps = std::min(table.size(), kMaxSteps);
    std::size_t at = steps > 0 ? table.position(hash) : 0;
    for (std::size_t i = 0; i < steps; ++i, at = at + 1 < table.size() ? at + 1 : 0) {
      const auto slot = table.slot_at(at);
      const Slot& entry = slots_[slot];
      const bool good = usable(entry) && entry.pool == pool && takes(entry, hash);
      if (good && std::ranges::find(avoid, slot) == avoid.end()) return slot;
    }
    return std::nullopt;
  };
  const HashTable& table = pools_[pool].table;
  if (const auto* ring = std::get_if<RingHash>(&table)) return walk(*ring);
  if (const auto* maglev = std::get_if<Maglev>(&table)) return walk(*maglev);
  return std::nullopt;
}

// In slow start only the same part of its keys, which grows with its weight.
bool EndpointChoice::takes(const Slot& slot, std::uint64_t hash) const {
  if (!slot.warming) return true;
  const auto point = StableHash::of(hash ^ slot.place.key, kWarmSeed) % kWhole;
  return point * slot.weight < slot.effective;
}

// 53 random bits: no sum of kMaxEndpoints 32-bit weights, scaled, needs more.
std::uint64_t EndpointChoice::point_below(std::uint64_t bound) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(random_.unit() * as_double(bound)));
}

std::uint32_t EndpointChoice::better(std::uint32_t first, std::uint32_t second,
                                     TimePoint now) const {
  const Slot& a = slots_[first];
  const Slot& b = slots_[second];
  if (settings_.policy == config::LoadBalancerPolicy::LeastRequest) {
    return load(b) < load(a) ? second : first;
  }
  const double margin = a.effective == b.effective ? 1.0 : kClearlyCheaper;
  return cost(b, now) * margin < cost(a, now) ? second : first;
}

double EndpointChoice::load(const Slot& slot) const {
  return slot.in_flight * (mean_weight_ / as_double(slot.effective)) + 1;
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
    if (usable(slot) && slot.answered.known()) scratch_.push_back(slot.answered.last());
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

bool EndpointChoice::selectable(std::uint32_t slot) const {
  const Slot* entry = find(slot);
  return entry && usable(*entry);
}

bool EndpointChoice::healthy(std::uint32_t slot) const {
  const Slot* entry = find(slot);
  return entry && (entry->healthy || panic_);
}

double EndpointChoice::weight(std::uint32_t slot) const {
  const Slot* entry = find(slot);
  return entry ? static_cast<double>(entry->effective) / kWhole : 0;
}

}  // namespace outrigger::policy
