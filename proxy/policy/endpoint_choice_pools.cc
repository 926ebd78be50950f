// EndpointChoice's pools: who stands in which, what share of the traffic each gets, panic, slow
// start and the hashes' tables. Runs when the set or somebody's health changes, slow start's
// weights also from a choice, at most every kWarmthRefresh.

#include <algorithm>
#include <array>

#include "proxy/base/check.h"
#include "proxy/policy/endpoint_choice.h"
#include "proxy/policy/slow_start.h"
#include "proxy/policy/stable_hash.h"
#include "proxy/policy/traffic_shares.h"

namespace outrigger::policy {
namespace {

constexpr std::size_t kMaxPriorities = 128;  // 0..127, as the configuration has them
constexpr std::uint64_t kPoolSeed = 0x706f6f6c;

using Groups = std::array<GroupHealth, kMaxPriorities>;

// The pools of one priority are a group; `healthy` says which of their members count as such.
template <class Pools, class Healthy>
std::span<GroupHealth> group_up(const Pools& pools, Groups& groups, Healthy healthy) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    if (i == 0 || pools[i].priority != pools[i - 1].priority) groups[count++] = {};
    groups[count - 1].healthy += pools[i].*healthy;
    groups[count - 1].endpoints += pools[i].members;
  }
  return std::span(groups).first(count);
}

}  // namespace

// Who stands where.

void EndpointChoice::configure(const config::LoadBalancer& settings) {
  tables_stale_ = tables_stale_ || settings.policy != settings_.policy;
  settings_ = settings;
  set_policy(settings.policy);
  warmth_until_ = {};
  regroup();
  review_panic();
}

void EndpointChoice::set_change() {
  tables_stale_ = true;
  regroup();
  review_panic();
  for (Pool& pool : pools_) pool.heaviest = 0;
  for (const Slot& slot : slots_) {
    if (!usable(slot)) continue;
    Pool& pool = pools_[slot.pool];
    pool.heaviest = std::max(pool.heaviest, slot.effective);
  }
}

void EndpointChoice::count(const Slot& slot, int by) {
  if (!slot.member()) return;
  const auto change = static_cast<std::uint32_t>(by);  // modulo 2^32
  Pool& pool = pools_[slot.pool];
  pool.members += change;
  if (slot.healthy) pool.passing += change;
  if (counts(slot)) pool.healthy += change;
  shares_stale_ = true;
}

// One pool a priority, and two where zones are looked at in it.
std::vector<EndpointChoice::Pool> EndpointChoice::pools_wanted() const {
  std::array<GroupHealth, kMaxPriorities> own{};  // `healthy`: how many are of the own zone
  for (const Slot& slot : slots_) {
    if (!slot.member()) continue;
    INVARIANT(slot.place.priority < kMaxPriorities);
    ++own[slot.place.priority].endpoints;
    if (slot.place.own_zone) ++own[slot.place.priority].healthy;
  }
  std::vector<Pool> pools;
  for (std::uint32_t priority = 0; priority < kMaxPriorities; ++priority) {
    const auto [here, all] = own[priority];
    if (all == 0) continue;
    const bool zones =
        settings_.zone_aware && here >= settings_.zone_aware->min_endpoints && here < all;
    if (zones && here > 0) pools.push_back({.priority = priority, .own_zone = true});
    pools.push_back({.priority = priority});
  }
  if (pools.empty()) pools.emplace_back();
  return pools;
}

std::uint32_t EndpointChoice::pool_of(const Slot& slot, std::span<const Pool> pools) {
  std::uint32_t pool = 0;
  while (pool + 1 < pools.size() && pools[pool].priority < slot.place.priority) ++pool;
  return pools[pool].own_zone && !slot.place.own_zone ? pool + 1 : pool;
}

void EndpointChoice::regroup() {
  auto wanted = pools_wanted();
  const bool same_pools = std::ranges::equal(wanted, pools_, [](const Pool& a, const Pool& b) {
    return a.priority == b.priority && a.own_zone == b.own_zone;
  });
  const bool same_places = std::ranges::all_of(slots_, [&](const Slot& slot) {
    return !slot.member() || slot.pool == pool_of(slot, wanted);
  });
  if (same_pools && same_places) return;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    count(slots_[i], -1);
    if (usable(slots_[i])) leave(i);
  }
  if (!same_pools) pools_ = std::move(wanted);
  for (Pool& pool : pools_) {
    pool.weights.grow(static_cast<std::uint32_t>(slots_.size()));
    pool.turns.grow(static_cast<std::uint32_t>(slots_.size()));
  }
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    slots_[i].pool = pool_of(slots_[i], pools_);
    if (usable(slots_[i])) enter(i);
    count(slots_[i], 1);
  }
  tables_stale_ = true;
}

// Panic and shares.

// Where the groups of several priorities can take all the traffic between them, nobody has to be
// asked who fails its checks.
bool EndpointChoice::panic_wanted() const {
  if (!settings_.panic_threshold_percent) return false;
  Groups groups;
  GroupHealth all;
  double able = 0;
  const auto by_priority = group_up(pools_, groups, &Pool::passing);
  for (const GroupHealth& group : by_priority) {
    all.healthy += group.healthy;
    all.endpoints += group.endpoints;
    able += capacity(group);
  }
  const bool others_suffice = by_priority.size() > 1 && able >= 1;
  return !others_suffice &&
         all.healthy * 100.0 < *settings_.panic_threshold_percent * all.endpoints;
}

void EndpointChoice::review_panic() {
  if (panic_wanted() == panic_) return;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].healthy) continue;
    count(slots_[i], -1);
    if (usable(slots_[i])) leave(i);
  }
  panic_ = !panic_;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].healthy) continue;
    if (usable(slots_[i])) enter(i);
    count(slots_[i], 1);
  }
}

void EndpointChoice::share_out() {
  shares_stale_ = false;
  Groups groups;
  std::array<double, kMaxPriorities> shares;
  share_by_priority(group_up(pools_, groups, &Pool::healthy), shares);
  std::size_t group = 0;
  for (std::size_t i = 0; i < pools_.size(); ++i) {
    if (i > 0 && pools_[i].priority != pools_[i - 1].priority) ++group;
    pools_[i].share = shares[group];
    if (!pools_[i].own_zone) continue;
    const Pool& others = pools_[i + 1];
    const double own =
        own_zone_share({pools_[i].healthy, pools_[i].members}, {others.healthy, others.members});
    pools_[i].share *= own;
    pools_[i + 1].share = shares[group] * (1 - own);
    ++i;
  }
}

std::uint32_t EndpointChoice::draw_pool(std::optional<std::uint64_t> hash) {
  if (shares_stale_) share_out();
  double point =
      hash ? static_cast<double>(StableHash::of(*hash, kPoolSeed) >> 11) * 0x1.0p-53  // as unit()
           : random_.unit();
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < pools_.size(); ++i) {
    if (pools_[i].share <= 0) continue;
    if (point < pools_[i].share) return i;
    point -= pools_[i].share;
    last = i;  // for what rounding leaves
  }
  return last;
}

// Slow start.

void EndpointChoice::start_warming(Slot& slot) {
  if (!settings_.slow_start) return;
  if (!slot.warming) ++warming_;
  slot.warming = true;
  slot.warm_since.reset();
  set_effective(slot, static_cast<std::uint64_t>(slot.weight * (kSlowStartFloor * kWhole)));
  warmth_until_ = {};
}

// 1 also where the whole pool is new: there is nobody to spare it.
double EndpointChoice::warmth(Slot& slot, TimePoint now) const {
  if (!settings_.slow_start || !pools_[slot.pool].established) return 1;
  if (!slot.warm_since) slot.warm_since = now;
  return slow_start_factor(now - *slot.warm_since, *settings_.slow_start);
}

void EndpointChoice::refresh_warmth(TimePoint now) {
  warmth_until_ = saturating_add(now, kWarmthRefresh);
  for (Pool& pool : pools_) pool.established = false;
  for (const Slot& slot : slots_) {
    if (counts(slot) && !slot.warming) pools_[slot.pool].established = true;
  }
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (!slot.warming) continue;
    const double part = warmth(slot, now);
    if (usable(slot)) leave(i);
    const double whole = static_cast<double>(slot.weight * kWhole);
    set_effective(slot, static_cast<std::uint64_t>(part * whole));
    if (usable(slot)) enter(i);
    slot.warming = part < 1;
    if (!slot.warming) --warming_;
  }
}

// The hashes' tables.

std::optional<HashPlan> EndpointChoice::hash_plan() const {
  if (!tables_stale_) return std::nullopt;
  HashPlan plan{.policy = settings_.policy, .pools = {}};
  plan.pools.resize(pools_.size());
  if (!hashed_) return plan;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.member()) plan.pools[slot.pool].push_back({i, slot.weight, slot.place.key});
  }
  return plan;
}

std::vector<HashTable> build_tables(const HashPlan& plan) {
  std::vector<HashTable> tables;
  for (const auto& members : plan.pools) {
    HashTable& table = tables.emplace_back();
    if (plan.policy == config::LoadBalancerPolicy::RingHash) table.emplace<RingHash>(members);
    if (plan.policy == config::LoadBalancerPolicy::Maglev) table.emplace<Maglev>(members);
  }
  return tables;
}

void EndpointChoice::adopt(std::vector<HashTable>& tables) {
  tables_stale_ = false;
  for (std::size_t i = 0; i < pools_.size() && i < tables.size(); ++i) {
    std::swap(pools_[i].table, tables[i]);
  }
}

}  // namespace outrigger::policy
