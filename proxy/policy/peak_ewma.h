// A latency average that believes bad news at once and good news slowly (Finagle's peak EWMA).
//
// A sample above the average replaces it; one below moves it by how long ago the last one was.
// Between samples the average says less and less about now, so that reading it drifts towards
// where the endpoint's peers are: one that was slow an hour ago is tried again.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>

#include "proxy/base/time.h"

namespace outrigger::policy {

inline constexpr Duration kEwmaTimeConstant = std::chrono::seconds(10);

// e to the -x, for x >= 0. Where samples are frequent x is small, and five terms are right to 3e-7.
inline double decay(double x) {
  constexpr double kSmall = 0.125;
  return x < kSmall ? 1 - x * (1 - x * (1.0 / 2 - x * (1.0 / 6 - x * (1.0 / 24)))) : std::exp(-x);
}

// In nanoseconds. Times may come slightly out of order, as several workers tell theirs.
class PeakEwma {
 public:
  bool known() const { return known_; }
  double last() const { return value_; }  // as of the last sample; 0 where not known()

  void add(double sample, TimePoint now) {
    if (!known_ || sample >= value_) {
      value_ = sample;
    } else {
      // From the value as of the last sample, not as drifted: while samples come they alone count.
      value_ = sample + (value_ - sample) * share_left(now);
    }
    at_ = known_ ? std::max(at_, now) : now;
    known_ = true;
  }

  // Drifted towards `rest`, which is also the answer before the first sample.
  double read(TimePoint now, double rest) const {
    return known_ ? rest + (value_ - rest) * share_left(now) : rest;
  }

 private:
  double share_left(TimePoint now) const {
    constexpr double kEach = 1 / static_cast<double>(kEwmaTimeConstant.count());
    return now <= at_ ? 1.0 : decay(static_cast<double>((now - at_).count()) * kEach);
  }

  double value_ = 0;
  TimePoint at_{};
  bool known_ = false;
};

}  // namespace outrigger::policy
