#include "proxy/policy/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace outrigger::policy {

// One table.

std::size_t LatencyCounts::index_of(Duration time) {
  const auto ns = static_cast<std::uint64_t>(std::max<Duration::rep>(time.count(), 0));
  const int bit = std::bit_width(ns) - 1;
  if (bit < kFirstBit) return 0;
  if (bit >= kEndBit) return kSize - 1;
  const auto sub = (ns >> (bit - kSubBits)) & ((1u << kSubBits) - 1);
  return 1 + (static_cast<std::size_t>(bit - kFirstBit) << kSubBits) + sub;
}

Duration LatencyCounts::middle_of(std::size_t index) {
  if (index == 0) return Duration{std::int64_t{1} << kFirstBit};
  if (index == kSize - 1) return Duration{std::int64_t{1} << kEndBit};
  const auto octave = kFirstBit + static_cast<int>((index - 1) >> kSubBits);
  const auto sub = static_cast<std::int64_t>((index - 1) & ((1u << kSubBits) - 1));
  const std::int64_t width = std::int64_t{1} << (octave - kSubBits);
  return Duration{(std::int64_t{1} << octave) + sub * width + width / 2};
}

void LatencyCounts::add(Duration time) {
  ++counts_[index_of(time)];
  ++count_;
}

LatencyCounts& LatencyCounts::operator+=(const LatencyCounts& other) {
  for (std::size_t i = 0; i < kSize; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  return *this;
}

std::optional<Duration> LatencyCounts::quantile(double q) const {
  if (count_ == 0) return std::nullopt;
  // 0.95 × 20 is 19, also where it comes out as a hair more.
  const double rank = std::clamp(std::ceil(q * count_ - 1e-6), 1.0, static_cast<double>(count_));
  std::uint64_t passed = 0;
  std::size_t i = 0;
  while (static_cast<double>(passed += counts_[i]) < rank) ++i;
  return middle_of(i);
}

// The recent ones.

std::optional<Duration> LatencyHistogram::quantile(double q, TimePoint now) const {
  LatencyCounts sum;
  ring_.newest_first(now, [&sum](const LatencyCounts& each) {
    if (each.count() > 0) sum += each;
  });
  return sum.quantile(q);
}

std::uint32_t LatencyHistogram::count(TimePoint now) const {
  std::uint32_t sum = 0;
  ring_.newest_first(now, [&sum](const LatencyCounts& each) { sum += each.count(); });
  return sum;
}

}  // namespace outrigger::policy
