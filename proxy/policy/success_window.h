// How many successes and failures there were lately: a sliding window of ten buckets.
//
// Exact counts rather than an average that decays, so that a burst weighs what it is worth. A
// bucket leaves whole, so that at times up to a tenth of the window is missing, never too much in.
#pragma once

#include <array>
#include <cstdint>

#include "proxy/base/time.h"

namespace outrigger::policy {

class SuccessWindow {
 public:
  static constexpr std::size_t kBuckets = 10;

  struct Totals {
    std::uint32_t successes = 0;
    std::uint32_t failures = 0;
    std::uint32_t all() const { return successes + failures; }
  };

  // `length` > 0.
  explicit SuccessWindow(Duration length) : bucket_(length / kBuckets) {}

  void add(TimePoint now, bool success);
  Totals totals(TimePoint now) const;
  void clear();

 private:
  std::int64_t number(TimePoint now) const {
    return now.time_since_epoch() / (bucket_.count() > 0 ? bucket_ : Duration(1));
  }

  Duration bucket_;
  std::array<Totals, kBuckets> counts_{};
  std::int64_t newest_ = 0;  // the number of the newest bucket
  Totals sum_{};
};

}  // namespace outrigger::policy
