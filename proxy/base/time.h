// Points and spans of time, as every policy and timer counts them.
//
// Nanoseconds on the monotonic clock: libuv's own milliseconds are too coarse for a latency
// average. Nothing here reads a clock; time is an argument, and net::Loop supplies it.
#pragma once

#include <chrono>
#include <cstdint>

namespace outrigger {

using Duration = std::chrono::nanoseconds;

// Never read through the type (it has no now()); it only keeps points of the monotonic clock apart
// from wall-clock ones.
struct MonotonicClock {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<MonotonicClock, Duration>;
  static constexpr bool is_steady = true;
};

using TimePoint = MonotonicClock::time_point;

inline constexpr TimePoint kNever = TimePoint::max();

// `at + by`, or kNever where that would overflow.
constexpr TimePoint saturating_add(TimePoint at, Duration by) {
  return by > kNever - at ? kNever : at + by;
}

// What a loop has read of its clock in this turn, for those who ask often.
struct ReadTime {
  TimePoint at{};
  bool stale = true;  // the clock is to be read
};

constexpr double seconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}

}  // namespace outrigger
