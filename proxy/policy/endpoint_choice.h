// Which endpoint takes the next try: the balancer's numbers and its four ways to choose.
//
// p2c_ewma draws two endpoints and takes the one whose latency × load is lower: nearly as good as
// looking at all, without herding onto the one that looks best. least_request does so by load
// alone, random takes the first drawn, round_robin serves turns of length 1/weight (the Webster
// order: smooth, and without a loop over the endpoints).
//
// Weights are shares of the traffic of equals. Endpoints are drawn in proportion to them, and load
// is in flight × mean weight / weight + 1, so that they hold when idle as well as under load:
// dividing the whole cost by the weight would starve the lighter of two idle endpoints. Where two
// drawn differ in weight, the first keeps the try unless the other is clearly cheaper; otherwise
// noise of the latencies would undo the weights.
//
// All in O(log n) without allocation, save the median: one pass over the slots at most every
// kMedianRefresh. Who is ejected, at its limit or on probation is the caller's to tell.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "config/model.h"
#include "proxy/base/random.h"
#include "proxy/base/time.h"
#include "proxy/policy/endpoint_slots.h"
#include "proxy/policy/peak_ewma.h"
#include "proxy/policy/slot_tree.h"

namespace outrigger::policy {

inline constexpr Duration kMedianRefresh = std::chrono::milliseconds(100);

class EndpointChoice {
 public:
  EndpointChoice(const config::LoadBalancer& settings, Random random)
      : settings_(settings), random_(random) {}
  void configure(const config::LoadBalancer& settings) { settings_ = settings; }

  // A new endpoint is selectable, and counts as fast as the median of the others until its first
  // sample. `slot` is free and below kMaxEndpoints. A weight of 0 gets nothing.
  void add(std::uint32_t slot, std::uint32_t weight, TimePoint now);
  void set_weight(std::uint32_t slot, std::uint32_t weight);
  // Tries still on their way there are forgotten: their on_end() does nothing.
  void remove(std::uint32_t slot);
  void set_selectable(std::uint32_t slot, bool selectable);
  // By its active health checks; a new endpoint passes them.
  void set_healthy(std::uint32_t slot, bool healthy);

  // It came back from an ejection: what was measured before says nothing any more, so that it
  // counts as a new one does. Otherwise the penalties of its failures would starve it for long.
  void forget_latency(std::uint32_t slot);

  // The slot for the next try. One of `avoid` only when nothing else is selectable, and then none
  // with `avoid_strictly`. Does not count as begun: that is on_start().
  std::optional<std::uint32_t> choose(TimePoint now, std::span<const std::uint32_t> avoid,
                                      bool avoid_strictly);
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

 private:
  struct Slot {
    bool present = false;
    bool selectable = false;
    bool healthy = true;
    std::uint32_t weight = 0;
    std::uint32_t in_flight = 0;
    std::uint64_t due = 0;  // its turn: on the clock while usable, else how far from it
    PeakEwma latency;       // of all tries, failed ones at their penalty
    // Of those that did not fail. Medians come from here: were penalties of ten medians part of
    // the median, it would grow tenfold each time while everything fails.
    PeakEwma answered;

    bool usable() const { return present && selectable && healthy && weight > 0; }
  };

  Slot* find(std::uint32_t slot);
  const Slot* find(std::uint32_t slot) const;
  template <class Change>
  void update(std::uint32_t slot, const Change& change);
  void enter(std::uint32_t slot);
  void leave(std::uint32_t slot);

  std::optional<std::uint32_t> choose_among(TimePoint now, std::span<const std::uint32_t> avoid);
  std::optional<std::uint32_t> draw(TimePoint now);
  std::optional<std::uint32_t> take_turn();
  std::uint64_t point_below(std::uint64_t bound);
  std::uint32_t better(std::uint32_t first, std::uint32_t second, TimePoint now) const;
  double load(const Slot& slot) const;
  double cost(const Slot& slot, TimePoint now) const;
  void refresh_median(TimePoint now);

  config::LoadBalancer settings_;
  Random random_;
  std::vector<Slot> slots_;
  WeightTree weights_;       // of the usable slots
  TurnTree turns_;           // of the usable slots
  std::uint64_t clock_ = 0;  // round robin: the latest turn served
  std::uint32_t selectable_ = 0;
  std::uint32_t present_ = 0;
  std::uint64_t weight_sum_ = 0;  // of the present ones
  double median_ = 0;             // ns; 0: none known
  TimePoint median_until_{};
  std::vector<double> scratch_;
};

}  // namespace outrigger::policy
