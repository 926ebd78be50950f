// A bulkhead that finds its own size: Netflix's Gradient2 (concurrency-limits, Gradient2Limit).
//
// Where more requests are out than the upstream works on, they queue there and its answers take
// longer. So a short-term average of the time to the head is held against a long-term one, the
// usual; a limit at which answers are no slower than `tolerance` × usual grows by a few, one at
// which they are slower shrinks in proportion, by half at most, and `smoothing` slows both:
//
//   gradient = clamp(tolerance × long / short, 0.5, 1)
//   limit'   = (1 − smoothing) × limit + smoothing × (gradient × limit + kAllowance)
//
// It stays where less than half of it was in use. There is no probing: nobody is refused so that
// an idle latency can be measured. What it pays for that: the usual is what it has seen.
//
// A try that ran into its timeout is a sample of the time it took, with no rule of its own for
// drops (Netflix's Gradient2 has none): nothing but timeouts takes 10 % of the limit per window.
// Failures that came quickly and whatever has no end are no samples.
#pragma once

#include <cstdint>
#include <optional>

#include "config/model.h"
#include "proxy/base/time.h"
#include "proxy/policy/outcome.h"

namespace outrigger::policy {

class AdaptiveConcurrency {
 public:
  // By how many the limit may grow in a step, and so how many may queue at the upstream.
  static constexpr double kAllowance = 4;
  // A window of samples makes one step: so long and so many at least.
  static constexpr Duration kWindow = std::chrono::milliseconds(100);
  static constexpr std::uint32_t kMinSamples = 10;
  // The long-term average: the mean of so many windows at first, then it follows in this time.
  static constexpr std::uint32_t kWarmUp = 10;
  static constexpr Duration kLongTerm = std::chrono::minutes(5);
  // How much a window after a pause counts for at most.
  static constexpr Duration kMaxGap = std::chrono::seconds(10);

  // Off without settings: then there is always room, and only the requests are counted.
  explicit AdaptiveConcurrency(const std::optional<config::AdaptiveConcurrency>& settings);
  // Limit and averages stay where it was on before.
  void configure(const std::optional<config::AdaptiveConcurrency>& settings);

  bool on() const { return settings_.has_value(); }
  // Always with `mode: observe`.
  bool has_room() const { return !on() || observing() || in_flight_ < limit(); }
  void acquire();
  void release();
  // How long one that holds a place has taken.
  void sample(Duration rtt, TimePoint now);

  struct Snapshot {
    std::uint32_t limit = 0;
    std::uint32_t in_flight = 0;
    Duration short_rtt{};    // of the last window
    Duration long_rtt{};     // the usual
    std::uint64_t beyond{};  // since construction: what `observe` let through beyond the limit
    bool observing = false;
  };
  Snapshot snapshot() const;
  std::uint32_t limit() const { return static_cast<std::uint32_t>(limit_); }

 private:
  bool observing() const { return settings_->mode == config::PolicyMode::Observe; }
  void step(TimePoint now);
  void follow(double rtt, TimePoint now);
  void begin_window(TimePoint now);

  std::optional<config::AdaptiveConcurrency> settings_;
  double limit_ = 0;
  std::uint32_t in_flight_ = 0;
  std::uint64_t beyond_ = 0;

  TimePoint window_began_{};
  double sum_ = 0;  // ns
  std::uint32_t samples_ = 0;
  std::uint32_t most_in_flight_ = 0;  // in the window

  double short_rtt_ = 0;  // ns
  double long_rtt_ = 0;
  std::uint32_t windows_ = 0;
  TimePoint last_step_{};
};

// The time of this try says how busy the upstream is.
bool is_load_sample(const TryEnd& end);

}  // namespace outrigger::policy
