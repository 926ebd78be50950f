// Stops asking an upstream that fails: closed → open → half-open, on outcomes.
//
// Results of an earlier state are ignored by their generation; probes have a bounded number of
// places, which come back when a probe ends uncounted or is unanswered at its deadline, so that
// the half-open state can neither flood nor hang. Which outcomes are failures is
// breaker_verdict().
#pragma once

#include <array>
#include <cstdint>

#include "config/model.h"
#include "proxy/base/random.h"
#include "proxy/base/time.h"
#include "proxy/policy/outcome.h"
#include "proxy/policy/success_window.h"

namespace outrigger::policy {

enum class CircuitState : std::uint8_t { Closed = 0, HalfOpen = 1, Open = 2 };

// To be recorded exactly once where granted.
struct CircuitPermit {
  bool granted = false;
  bool probe = false;
  std::uint8_t place = 0;  // of a probe
  std::uint32_t generation = 0;
  std::uint32_t serial = 0;
};

class CircuitBreaker {
 public:
  // Probes on their way at a time, whatever the configuration says.
  static constexpr std::uint32_t kMaxProbes = 64;

  // `random`: the jitter of ±10 % on open_for.
  CircuitBreaker(const config::CircuitBreaker& settings, Random random);
  // The new settings apply from now on; state and counts stay, a new window starts empty.
  void configure(const config::CircuitBreaker& settings);

  // Whether admit(now) would be refused; takes no place.
  bool would_refuse(TimePoint now) const;
  // `deadline`: when an unanswered probe gives its place back; kNever: after open_for.
  CircuitPermit admit(TimePoint now, TimePoint deadline = kNever);
  void record(const CircuitPermit& permit, Verdict verdict, TimePoint now,
              Duration time_to_head = {});

  CircuitState state() const { return state_; }
  Duration retry_after(TimePoint now) const;  // until half-open; 0 when not open
  std::uint64_t rejected() const { return rejected_; }
  std::uint64_t transitions_to(CircuitState to) const {
    return transitions_[static_cast<std::size_t>(to)];
  }

  struct Snapshot {
    std::uint32_t successes = 0;  // in the window
    std::uint32_t failures = 0;
    std::uint32_t slow = 0;
    std::uint32_t consecutive_failures = 0;
    std::uint32_t probes = 0;  // on their way
  };
  Snapshot snapshot(TimePoint now) const;

 private:
  struct Probe {
    bool taken = false;
    std::uint32_t serial = 0;
    TimePoint given_up_at{};
  };

  bool enforces() const { return settings_.mode == config::PolicyMode::Enforce; }
  std::uint32_t places() const;
  const Probe* find_free(TimePoint now) const;
  void go(CircuitState to);
  void open(TimePoint now);
  void count(Verdict verdict, TimePoint now, Duration time_to_head);
  bool should_open(TimePoint now) const;
  void record_probe(const CircuitPermit& permit, Verdict verdict, TimePoint now);

  config::CircuitBreaker settings_;
  Random random_;
  CircuitState state_ = CircuitState::Closed;
  std::uint32_t generation_ = 0;
  SuccessWindow outcomes_;
  SuccessWindow speeds_;  // failures: slow calls
  std::uint32_t consecutive_failures_ = 0;
  std::uint32_t reopened_ = 0;  // half-open periods that failed in a row
  TimePoint opened_until_{};
  std::array<Probe, kMaxProbes> probes_{};
  std::uint32_t probe_serial_ = 0;
  std::uint32_t probe_successes_ = 0;
  std::uint64_t rejected_ = 0;
  std::array<std::uint64_t, 3> transitions_{};
};

// What an end counts as: `failures` of the settings; StaleConnection and Abandoned count for
// nothing; every other response is a success.
Verdict breaker_verdict(const config::CircuitBreaker& settings, const TryEnd& end);

}  // namespace outrigger::policy
