// Which endpoints of an upstream are left out for a while, because they fail where the others
// do not.
//
// The consecutive detectors judge each try at its end; the others compare what an interval showed
// of all endpoints, at its sweep (outlier_statistics.h). What all endpoints share is no outlier:
// a consecutive detector of statuses ejects only where the others do clearly better (the breaker is
// for the rest): over the window, or since the row began, where the window is still full of the
// endpoint's better days. Caps keep a share of the endpoints in service whatever happens. A
// verdict that cannot be carried out leaves its counter standing, so that the next failure asks
// again.
//
// After its time an endpoint is on probation: one request at a time until one succeeds. It still
// takes up its place in max_ejection_percent, so that ejecting it again never exceeds the cap. A
// request that settles nothing (429, say, or a failure where the cap has no room any more) costs
// its caller something, so the next one waits: a second, then two, up to base_ejection_time.
// Where the set shrinks so that the caps are exceeded, those ejections end early that would end
// first; where one endpoint is left, all. What of a try counts as what is failure_class.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "config/model.h"
#include "proxy/base/time.h"
#include "proxy/policy/ejection_cause.h"
#include "proxy/policy/endpoint_slots.h"
#include "proxy/policy/failure_class.h"
#include "proxy/policy/failure_rows.h"
#include "proxy/policy/latency_histogram.h"
#include "proxy/policy/outcome.h"
#include "proxy/policy/outlier_statistics.h"
#include "proxy/policy/success_window.h"

namespace outrigger::policy {

// Over which an endpoint is compared with the others.
inline constexpr Duration kComparisonWindow = std::chrono::seconds(10);
// Between requests on probation that settle nothing; doubled with each.
inline constexpr Duration kProbationPause = std::chrono::seconds(1);

class OutlierEjection {
 public:
  enum class State : std::uint8_t { Healthy, Ejected, Probation };

  explicit OutlierEjection(const config::OutlierDetection& settings) : settings_(settings) {}
  // The new settings apply from now on; states, counters and times stay. With `mode: observe`
  // those that are out come back at the next advance().
  void configure(const config::OutlierDetection& settings);

  // `slot` is free and below kMaxEndpoints. Others' ejections may end early by a remove().
  void add(std::uint32_t slot, TimePoint now);
  void remove(std::uint32_t slot);
  // Back at once, its past forgotten. False where it is neither ejected nor on probation.
  bool restore(std::uint32_t slot);

  // By active health checks; a new one is healthy. One that is not does not count as available.
  void set_healthy(std::uint32_t slot, bool healthy);

  State state(std::uint32_t slot) const;  // Healthy for a slot that is not there
  std::uint32_t count(State state) const { return counts_[static_cast<std::size_t>(state)]; }

  // Ends the ejections that are over and calls `changed(slot)` for each. One comparison when
  // none is due before next_return().
  template <class Changed>
  void advance(TimePoint now, const Changed& changed) {
    while (now >= next_return_) {
      const auto slot = end_one(now);
      if (!slot) return;
      changed(*slot);
    }
  }
  TimePoint next_return() const { return next_return_; }

  // What a record did to its endpoint.
  struct Change {
    bool ejected = false;
    bool restored = false;  // its probation is over
    bool observed = false;  // would have been ejected, but for `mode: observe`
    bool by_hand = false;   // ejected or restored so, by its owner
    std::optional<EjectionDenial> denied;
    Detector detector{};     // for ejected, observed, and what was denied at a sweep
    Evidence evidence;       // likewise
    Duration ejected_for{};  // for ejected
  };
  // A try's response head, or its failure; a body that broke off later is one more
  // TryOutcome::Reset. `on_probation` false: it was not admitted by take_probation(); where its
  // endpoint is on probation, it began before the ejection and says nothing of the time since.
  // The probation's own try gives its place back hereby, whatever it came to.
  Change record(std::uint32_t slot, const TryEnd& end, TimePoint now, bool on_probation = true);

  // How long a try took to its head, or until it was given up.
  void record_time(std::uint32_t slot, const TryEnd& end, Duration time);

  // Probation's one place. False where there is none, or it is taken.
  bool take_probation(std::uint32_t slot);
  // The try ends unrecorded, or settles nothing; idempotent.
  void give_back_probation(std::uint32_t slot, TimePoint now);
  // The places that are free, in the order in which they are due: before that, only a request
  // that finds nothing else should take one. Valid until the next change.
  struct FreePlace {
    std::uint32_t slot = 0;
    TimePoint due{};
  };
  std::span<const FreePlace> free_places() const { return free_places_; }

  // A sweep, every `interval`: for each slot close_interval(), for all together sweep_verdicts(),
  // for each of these carry_out(), for each of the others that was faultless pass(); so that
  // nothing is computed under the owner's lock.
  //
  // What was counted since the last sweep, which begins anew. Empty for a slot that is not there.
  std::optional<IntervalCounts> close_interval(std::uint32_t slot);
  Change carry_out(const SweepVerdict& verdict, TimePoint now);
  void pass(std::uint32_t slot);  // one consecutive ejection less

  std::uint64_t ejections(Detector d, config::PolicyMode mode) const {
    return ejections_[static_cast<std::size_t>(mode)][static_cast<std::size_t>(d)];
  }
  std::uint64_t denied(EjectionDenial c) const { return denied_[static_cast<std::size_t>(c)]; }

  struct Snapshot {
    State state = State::Healthy;
    TimePoint ejected_until{};  // for Ejected
    std::uint32_t consecutive_local_origin_failures = 0;
    std::uint32_t consecutive_gateway_errors = 0;
    std::uint32_t consecutive_5xx = 0;
    std::uint32_t ejections = 0;  // consecutive ones: the multiplier
    std::uint32_t successes = 0;  // in the window
    std::uint32_t failures = 0;
  };
  Snapshot snapshot(std::uint32_t slot, TimePoint now) const;

 private:
  struct Totals {
    std::uint64_t successes = 0;
    std::uint64_t failures = 0;
  };
  struct Slot {
    bool present = false;
    bool healthy = true;
    State state = State::Healthy;
    bool probation_taken = false;
    FailureRows rows;
    Totals before_row;  // of all endpoints, when the row of any failures began
    std::uint32_t ejections = 0;
    std::uint32_t unsettled = 0;  // requests on this probation
    bool succeeded = false;       // in service, since the last sweep
    bool failed = false;
    std::uint32_t interval_successes = 0;  // in all
    std::uint32_t interval_failures = 0;
    TimePoint ejected_until{};
    SuccessWindow window{kComparisonWindow};

    // Out, and no end of it is due at once.
    bool serves_time() const {
      return present && state == State::Ejected && ejected_until > TimePoint{};
    }
  };

  Slot* find(std::uint32_t slot);
  const Slot* find(std::uint32_t slot) const;
  std::uint32_t present() const { return counts_[0] + counts_[1] + counts_[2]; }
  std::uint32_t available() const { return count(State::Healthy) - unhealthy_; }
  std::uint32_t allowed_out() const;
  bool none_may_be_out() const;
  void set_state(std::uint32_t slot, State state);
  void offer(std::uint32_t slot, TimePoint due);
  void withdraw(std::uint32_t slot);
  void end_ejections_beyond_caps();
  std::uint32_t returning() const;
  std::optional<std::uint32_t> end_one(TimePoint now);

  Change judge_probation(std::uint32_t slot, FailureClass what, TimePoint now);
  Change judge(std::uint32_t slot, TimePoint now);
  bool others_do_better(const Slot& entry, TimePoint now) const;
  bool unlikely_by_chance(const Slot& entry, std::uint32_t row) const;
  std::optional<EjectionDenial> cap_against(const Slot& entry) const;
  Change deny(EjectionDenial cause);
  Change eject(std::uint32_t slot, Detector detector, const Evidence& evidence, TimePoint now);

  config::OutlierDetection settings_;
  std::vector<Slot> slots_;
  std::vector<LatencyCounts> times_;       // since the last sweep; empty without the detector
  std::array<std::uint32_t, 3> counts_{};  // endpoints by State
  std::uint32_t unhealthy_ = 0;            // of those in State::Healthy
  std::vector<FreePlace> free_places_;
  SuccessWindow all_{kComparisonWindow};
  Totals ever_;
  TimePoint next_return_ = kNever;
  std::array<std::array<std::uint64_t, kDetectors>, 2> ejections_{};  // by mode
  std::array<std::uint64_t, kEjectionDenials> denied_{};
};

}  // namespace outrigger::policy
