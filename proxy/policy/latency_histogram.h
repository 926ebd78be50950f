// How long tries took of late, well enough for a percentile.
//
// Sixteen buckets to each doubling, so that any time between 16 µs and two minutes is known to
// 3 %, whatever the traffic: recording is one increment, and nothing is kept per sample. What lies
// outside counts as the nearest bound.
//
// LatencyCounts is one such table, for an owner who empties it; LatencyHistogram forgets by itself,
// a fifth of its window at a time. Whose times count is their owners' matter.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "proxy/base/time.h"
#include "proxy/policy/bucket_ring.h"

namespace outrigger::policy {

class LatencyCounts {
 public:
  void add(Duration time);
  LatencyCounts& operator+=(const LatencyCounts& other);

  std::uint32_t count() const { return count_; }
  // The time that a share of `q` (0 to 1) did not exceed, by nearest rank; empty without samples.
  std::optional<Duration> quantile(double q) const;

 private:
  static constexpr int kSubBits = 4;    // sixteen buckets a doubling
  static constexpr int kFirstBit = 14;  // 16.4 µs
  static constexpr int kEndBit = 37;    // 137 s
  static constexpr std::size_t kSize =
      (std::size_t{kEndBit - kFirstBit} << kSubBits) + 2;  // one below, one beyond

  static std::size_t index_of(Duration time);
  static Duration middle_of(std::size_t index);

  std::array<std::uint32_t, kSize> counts_{};
  std::uint32_t count_ = 0;
};

class LatencyHistogram {
 public:
  explicit LatencyHistogram(Duration window) : ring_(window / kBuckets) {}

  void record(Duration time, TimePoint now) { ring_.at(now).add(time); }
  // In constant time, but adds up five tables: some hundred nanoseconds.
  std::optional<Duration> quantile(double q, TimePoint now) const;
  std::uint32_t count(TimePoint now) const;

 private:
  static constexpr int kBuckets = 5;

  BucketRing<LatencyCounts, kBuckets> ring_;
};

}  // namespace outrigger::policy
