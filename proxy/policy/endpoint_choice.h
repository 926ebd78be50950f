// Which endpoint takes the next try: the balancer's numbers and its ways to choose.
//
// p2c_ewma draws two endpoints and takes the one whose latency × load is lower: nearly as good as
// looking at all, without herding onto the one that looks best. least_request does so by load
// alone, random takes the first drawn, round_robin serves turns of length 1/weight (the Webster
// order: smooth, and without a loop over the endpoints). ring_hash and maglev go by the request's
// hash, and from there on to the next endpoint that may be used.
//
// Weights are shares of the traffic of equals. Endpoints are drawn in proportion to them, and load
// is in flight × mean weight / weight + 1, so that they hold when idle as well as under load:
// dividing the whole cost by the weight would starve the lighter of two idle endpoints. Where two
// drawn differ in weight, the first keeps the try unless the other is clearly cheaper; otherwise
// noise of the latencies would undo the weights.
//
// What else is configured composes in this order: panic (is health looked at at all?) → priority
// → own zone (both draw a pool of endpoints, traffic_shares.h; by the hash where there is one, so
// that a key stays in its pool) → the policy among the pool's endpoints, where slow start scales
// the weights. A pool in which none may be used passes the try on to the others in their order.
// Of hashes, slow start lets an endpoint take a growing part of its own keys, always the same.
//
// All in O(log n) without allocation, save the median and the weights of slow start: one pass over
// the slots at most every kMedianRefresh. Who is ejected, at its limit or on probation is the
// caller's to tell. Pools, panic and slow start are in endpoint_choice_pools.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "config/model.h"
#include "proxy/base/random.h"
#include "proxy/base/time.h"
#include "proxy/policy/endpoint_slots.h"
#include "proxy/policy/maglev.h"
#include "proxy/policy/peak_ewma.h"
#include "proxy/policy/ring_hash.h"
#include "proxy/policy/slot_tree.h"

namespace outrigger::policy {

inline constexpr Duration kMedianRefresh = std::chrono::milliseconds(100);
inline constexpr Duration kWarmthRefresh = std::chrono::milliseconds(100);

// Where an endpoint stands beside the others.
struct Place {
  std::uint32_t priority = 0;  // 0 is asked first
  bool own_zone = false;
  std::uint64_t key = 0;  // the stable hash of its address

  bool operator==(const Place&) const = default;
};

// A pool's table for ring_hash and maglev; monostate: none.
using HashTable = std::variant<std::monostate, RingHash, Maglev>;

// What the tables are built of, and then the tables: one a pool.
struct HashPlan {
  config::LoadBalancerPolicy policy{};
  std::vector<std::vector<HashMember>> pools;
};
std::vector<HashTable> build_tables(const HashPlan& plan);

class EndpointChoice {
 public:
  EndpointChoice(const config::LoadBalancer& settings, Random random);
  void configure(const config::LoadBalancer& settings);

  // A new endpoint is selectable, in service and healthy, and counts as fast as the median of the
  // others until its first sample. `slot` is free and below kMaxEndpoints. A weight of 0 gets
  // nothing, and is no member of any group.
  void add(std::uint32_t slot, std::uint32_t weight, TimePoint now, const Place& place = {});
  void set_weight(std::uint32_t slot, std::uint32_t weight);
  void set_place(std::uint32_t slot, const Place& place);
  // Tries still on their way there are forgotten: their on_end() does nothing.
  void remove(std::uint32_t slot);

  // May be chosen now. One at its limit may not, but still counts for its group.
  void set_selectable(std::uint32_t slot, bool selectable);
  // Neither ejected nor on probation: what its group's share goes by. Coming back starts slowly.
  void set_in_service(std::uint32_t slot, bool in_service);
  // By its active health checks; not chosen while it fails them, save in panic.
  void set_healthy(std::uint32_t slot, bool healthy);

  // It came back from an ejection: what was measured before says nothing any more, so that it
  // counts as a new one does. Otherwise the penalties of its failures would starve it for long.
  void forget_latency(std::uint32_t slot);

  // The hashes' tables are made in three steps, so that the costly one needs no lock: a plan is
  // copied out (empty where the tables stand), build_tables(), and the tables are swapped in.
  std::optional<HashPlan> hash_plan() const;
  void adopt(std::vector<HashTable>& tables);

  // The slot for the next try. One of `avoid` only when nothing else is selectable, and then none
  // with `avoid_strictly`. Without a `hash`, policies that need one draw it. Does not count as
  // begun: that is on_start().
  std::optional<std::uint32_t> choose(TimePoint now, std::span<const std::uint32_t> avoid,
                                      bool avoid_strictly,
                                      std::optional<std::uint64_t> hash = std::nullopt);
  void on_start(std::uint32_t slot, TimePoint now);
  // `failed` (local failure, 5xx, refusal): counts as max(time, 10 × median, 1 s). `sample` false:
  // the time says nothing of the endpoint (abandoned, stale connection), or on_sample() told it.
  void on_end(std::uint32_t slot, TimePoint now, Duration time_to_head, bool failed, bool sample);
  // The latency alone, at the response head: the try stays in flight.
  void on_sample(std::uint32_t slot, TimePoint now, Duration time_to_head, bool failed);

  std::uint32_t in_flight(std::uint32_t slot) const;
  Duration latency(std::uint32_t slot, TimePoint now) const;  // 0: nothing known of any endpoint
  Duration median() const;                                    // of tries that did not fail
  std::uint32_t selectable() const { return selectable_; }
  bool selectable(std::uint32_t slot) const;
  bool healthy(std::uint32_t slot) const;  // passes its health checks, or they are ignored
  bool panic() const { return panic_; }
  double weight(std::uint32_t slot) const;  // as slow start has it now

 private:
  static constexpr std::uint64_t kWhole = 1024;  // weights are scaled by it, for slow start

  struct Slot {
    bool present = false;
    bool selectable = false;
    bool in_service = true;
    bool healthy = true;
    bool warming = false;
    std::uint32_t pool = 0;
    std::uint32_t weight = 0;
    std::uint64_t effective = 0;  // weight × kWhole, or less in slow start
    std::uint64_t turn = 0;       // how long a turn of it is
    std::uint32_t in_flight = 0;
    std::uint64_t due = 0;  // its turn: on the clock while usable, else how far from it
    std::optional<TimePoint> warm_since;  // empty: from the next choice on
    Place place;
    PeakEwma latency;  // of all tries, failed ones at their penalty
    // Of those that did not fail. Medians come from here: were penalties of ten medians part of
    // the median, it would grow tenfold each time while everything fails.
    PeakEwma answered;

    bool member() const { return present && weight > 0; }
  };

  // Endpoints among which the policy alone decides: of one priority and, where zones are looked
  // at, of the own zone or of the others. One pool where neither is configured.
  struct Pool {
    std::uint32_t priority = 0;
    bool own_zone = false;
    WeightTree weights;          // of the usable slots
    TurnTree turns;              // of the usable slots
    std::uint64_t heaviest = 0;  // no weight is above it
    std::uint64_t clock = 0;     // round robin: the latest turn served
    std::uint32_t members = 0;
    std::uint32_t passing = 0;  // members that pass their health checks
    std::uint32_t healthy = 0;  // members in service that pass them, or in panic
    double share = 0;           // of the traffic
    bool established = false;   // one in service is not in slow start
    HashTable table;
  };

  Slot* find(std::uint32_t slot);
  const Slot* find(std::uint32_t slot) const;
  bool usable(const Slot& slot) const {
    return slot.present && slot.selectable && slot.weight > 0 && (slot.healthy || panic_);
  }
  bool counts(const Slot& slot) const {
    return slot.member() && slot.in_service && (slot.healthy || panic_);
  }
  template <class Change>
  void update(std::uint32_t slot, const Change& change);
  template <class Change>
  void update_member(std::uint32_t slot, const Change& change);
  void enter(std::uint32_t slot);
  void leave(std::uint32_t slot);
  void count(const Slot& slot, int by);

  std::optional<std::uint32_t> choose_among(TimePoint now, std::span<const std::uint32_t> avoid,
                                            std::optional<std::uint64_t> hash);
  std::optional<std::uint32_t> choose_in(std::uint32_t pool, TimePoint now,
                                         std::span<const std::uint32_t> avoid,
                                         std::optional<std::uint64_t> hash);
  std::optional<std::uint32_t> draw(const Pool& pool, TimePoint now);
  static std::optional<std::uint32_t> place_directly(const Pool& pool, std::uint64_t hash);
  std::optional<std::uint32_t> take_turn(Pool& pool);
  std::optional<std::uint32_t> look_up(std::uint32_t pool, std::uint64_t hash,
                                       std::span<const std::uint32_t> avoid) const;
  bool takes(const Slot& slot, std::uint64_t hash) const;
  std::optional<std::uint32_t> guess(const Pool& pool, std::uint32_t random_bits,
                                     std::optional<std::uint32_t> but = {});
  std::uint64_t point_below(std::uint64_t bound);
  std::uint32_t better(std::uint32_t first, std::uint32_t second, TimePoint now) const;
  double load(const Slot& slot) const;
  double cost(const Slot& slot, TimePoint now) const;
  void refresh_median(TimePoint now);

  void set_policy(config::LoadBalancerPolicy policy);
  void set_change();
  void regroup();
  std::vector<Pool> pools_wanted() const;
  void change_weights(int endpoints, std::int64_t weight);
  static void set_effective(Slot& slot, std::uint64_t effective);
  static std::uint32_t pool_of(const Slot& slot, std::span<const Pool> pools);
  void review_panic();
  bool panic_wanted() const;
  void share_out();
  std::uint32_t draw_pool(std::optional<std::uint64_t> hash);
  void start_warming(Slot& slot);
  void refresh_warmth(TimePoint now);
  double warmth(Slot& slot, TimePoint now) const;

  config::LoadBalancer settings_;
  Random random_;
  std::vector<Slot> slots_;
  std::vector<Pool> pools_;  // by priority, the own zone first; never empty
  std::uint32_t selectable_ = 0;
  std::uint32_t present_ = 0;
  std::uint64_t weight_sum_ = 0;  // of the present ones
  double mean_weight_ = 1;        // likewise, × kWhole
  double median_ = 0;             // ns; 0: none known
  TimePoint median_until_{};
  std::vector<double> scratch_;

  bool hashed_ = false;  // by ring_hash or maglev
  bool by_turn_ = false;
  bool panic_ = false;
  bool shares_stale_ = true;
  bool tables_stale_ = true;
  std::uint32_t warming_ = 0;
  TimePoint warmth_until_{};
};

}  // namespace outrigger::policy
