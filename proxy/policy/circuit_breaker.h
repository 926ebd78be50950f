// Stops asking what keeps failing, and finds out with few requests when it no longer does.
//
// Closed, it watches outcomes in a sliding window: their failure rate, their slow rate, and a row
// of failures where traffic is too slow for a rate. Open, it refuses for a while. Half-open, it
// lets a few probes through: that many successes close it, the first failure opens it for longer.
// Every change of state begins a generation, and what was admitted in an earlier one is ignored:
// the stragglers of an outage say nothing of now.
//
// With `mode: observe` all of this happens, but what would be refused is granted and not recorded:
// so the machine behaves as if it were enforced.
//
// A person's word stands above all of it, `mode` too: open by hand it refuses, closed by hand it
// counts but never opens, until it is automatic again.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "config/model.h"
#include "proxy/base/random.h"
#include "proxy/base/time.h"
#include "proxy/policy/outcome.h"
#include "proxy/policy/success_window.h"

namespace outrigger::policy {

enum class CircuitState : std::uint8_t { Closed, HalfOpen, Open };  // the metric's values 0, 1, 2

enum class CircuitByHand : std::uint8_t { Auto, Open, Closed };

// What a caller is told to wait for while it is open by hand: nobody knows.
inline constexpr Duration kByHandRetryAfter = std::chrono::seconds(5);

// Why it changed, with the numbers that led to it.
struct CircuitChange {
  enum class Reason : std::uint8_t {
    FailuresInARow,   // `bad` of them
    FailureRate,      // `bad` of `outcomes`
    SlowRate,         // likewise
    ProbeFailed,      //
    Rested,           // half-open now
    ProbesSucceeded,  // `outcomes` of them
    ByHand,
  };
  CircuitState from = CircuitState::Closed;
  CircuitState to = CircuitState::Closed;  // by hand it may be as it was
  Reason reason = Reason::FailuresInARow;
  CircuitByHand by_hand = CircuitByHand::Auto;  // from now on
  bool observed = false;                        // of `mode: observe`: an open one refuses nothing
  std::uint32_t bad = 0;
  std::uint32_t outcomes = 0;
  Duration rest{};  // until half-open, where it is open now
};

// How long after its deadline a probe's own timeout may still be told: as late as a busy loop and
// its timer wheel are. An answer cannot come so late, for the deadline has cut its try.
inline constexpr Duration kProbeGrace = std::chrono::milliseconds(100);

std::string_view label(CircuitState state);     // closed, half-open, open
std::string_view label(CircuitByHand by_hand);  // auto, open, closed

// To be recorded exactly once where it is granted.
struct CircuitPermit {
  bool granted = false;
  bool probe = false;
  std::uint16_t place = 0;       // of a probe
  std::uint32_t generation = 0;  // 0: recorded nowhere
  std::uint32_t serial = 0;      // of a probe: tells those apart that had the same place
};
static_assert(sizeof(CircuitPermit) <= 16);

class CircuitBreaker {
 public:
  // `random` is for the jitter of open_for.
  CircuitBreaker(const config::CircuitBreaker& settings, Random random);

  // The new settings apply from now on; state, window and times that were set stay.
  void configure(const config::CircuitBreaker& settings);

  // True where admit(now) would refuse; takes no place.
  bool would_refuse(TimePoint now) const;

  // `deadline`: when an unanswered probe gives its place back; without one after open_for.
  CircuitPermit admit(TimePoint now, TimePoint deadline = kNever);

  // `time_to_head`, or until the failure: what slow_call is about.
  void record(const CircuitPermit& permit, Verdict verdict, TimePoint now,
              Duration time_to_head = {});

  // Auto after another begins anew: Closed, with a clear window.
  void set_by_hand(CircuitByHand by_hand);
  CircuitByHand by_hand() const { return by_hand_; }
  const config::CircuitBreaker& settings() const { return settings_; }

  // The changes beyond the first `told` of its life, the newest kKeptChanges at most.
  static constexpr std::size_t kKeptChanges = 4;
  struct Changes {
    std::array<CircuitChange, kKeptChanges> list{};
    std::size_t count = 0;
  };
  std::uint64_t change_count() const { return change_count_; }
  Changes changes_after(std::uint64_t told) const;

  // Open until the first request after its rest.
  CircuitState state() const { return state_; }
  Duration retry_after(TimePoint now) const;  // until it may be half-open; 0 when not open
  bool open_by_hand() const { return by_hand_ == CircuitByHand::Open; }

  // Since construction. `rejected` counts those that `mode: observe` let through, too.
  std::uint64_t rejected() const { return rejected_; }
  std::uint64_t transitions_to(CircuitState state) const {
    return transitions_[static_cast<std::size_t>(state)];
  }

  struct Snapshot {
    CircuitState state = CircuitState::Closed;
    std::uint32_t successes = 0;  // in the window
    std::uint32_t failures = 0;
    std::uint32_t slow = 0;
    std::uint32_t consecutive_failures = 0;
    std::uint32_t probes = 0;  // on their way
    std::uint32_t probe_successes = 0;
    Duration retry_after{};
  };
  Snapshot snapshot(TimePoint now) const;

 private:
  struct Probe {
    bool out = false;
    std::uint32_t serial = 0;
    TimePoint gives_back{};
  };

  bool observing() const { return settings_.mode == config::PolicyMode::Observe; }
  CircuitPermit refuse();
  CircuitPermit grant_probe(TimePoint now, TimePoint deadline);
  void record_closed(Verdict verdict, TimePoint now, Duration time_to_head);
  void record_probe(const CircuitPermit& permit, Verdict verdict, TimePoint now);
  std::optional<CircuitChange> reason_to_open(const SuccessWindow::Totals& outcomes,
                                              TimePoint now) const;
  bool row_too_long(const SuccessWindow::Totals& outcomes) const;

  using Reason = CircuitChange::Reason;
  void change(CircuitState state, CircuitChange why);
  void enter(CircuitState state);
  void open(CircuitChange why, TimePoint now);
  void forget_outcomes();
  Duration rest() const;
  Duration jitter(Duration rest);

  bool probe_refused(TimePoint now) const;
  void take_back_unanswered(TimePoint now);
  void free(Probe& probe);

  config::CircuitBreaker settings_;
  Random random_;
  CircuitState state_ = CircuitState::Closed;
  std::uint32_t generation_ = 1;

  SuccessWindow outcomes_;
  SuccessWindow speeds_;  // a slow call is a failure here
  std::uint32_t consecutive_failures_ = 0;

  TimePoint open_until_{};
  std::uint32_t failed_half_opens_ = 0;  // in a row

  std::vector<Probe> probes_;  // the places; grows at configuration only
  std::uint32_t probes_out_ = 0;
  std::uint32_t probe_successes_ = 0;
  std::uint32_t next_serial_ = 0;
  TimePoint first_give_back_ = kNever;  // no probe gives back before

  CircuitByHand by_hand_ = CircuitByHand::Auto;
  std::array<CircuitChange, kKeptChanges> changes_{};  // number n (from 0) at n % kKeptChanges
  std::uint64_t change_count_ = 0;

  std::uint64_t rejected_ = 0;
  std::array<std::uint64_t, 3> transitions_{};
};

// What a try, or an exchange, counts as for a breaker of these settings. A failure of a kind that
// is not in `failures` counts for nothing, except that a response always counts.
Verdict breaker_verdict(const config::CircuitBreaker& settings, const TryEnd& end);

}  // namespace outrigger::policy
