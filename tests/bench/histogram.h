// Counts of times, log-linear as HdrHistogram's: 256 steps for each doubling, so that a quantile
// is off by at most 0.4 %, from a nanosecond to minutes.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace bench {

class Histogram {
 public:
  Histogram() : counts_(kDoublings * kSteps) {}

  void add(int64_t nanoseconds) {
    const auto value = static_cast<uint64_t>(std::max<int64_t>(nanoseconds, 0));
    ++counts_[std::min(index_of(value), counts_.size() - 1)];
    ++total_;
    max_ = std::max(max_, value);
  }

  // The time that this share of all did not exceed, 0 where there is none; `share` up to 1.
  uint64_t quantile(double share) const {
    const auto wanted = static_cast<uint64_t>(share * static_cast<double>(total_) + 0.999999);
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (counts_[i] != 0 && seen >= wanted) return std::min(middle_of(i), max_);
    }
    return max_;
  }

  uint64_t above(int64_t nanoseconds) const {
    uint64_t count = 0;
    for (size_t i = index_of(static_cast<uint64_t>(nanoseconds)) + 1; i < counts_.size(); ++i) {
      count += counts_[i];
    }
    return count;
  }

  uint64_t max() const { return max_; }

 private:
  static constexpr size_t kStepBits = 8;
  static constexpr size_t kSteps = size_t{1} << kStepBits;
  static constexpr size_t kDoublings = 33;

  static size_t index_of(uint64_t value) {
    const auto bits = static_cast<size_t>(std::bit_width(value));
    if (bits <= kStepBits) return value;
    const size_t shift = bits - kStepBits - 1;
    return (shift << kStepBits) + (value >> shift);
  }

  static uint64_t middle_of(size_t index) {
    if (index < 2 * kSteps) return index;
    const size_t shift = (index >> kStepBits) - 1;
    const uint64_t low = ((index & (kSteps - 1)) + kSteps) << shift;
    return low + (uint64_t{1} << shift) / 2;
  }

  std::vector<uint64_t> counts_;
  uint64_t total_ = 0;
  uint64_t max_ = 0;
};

}  // namespace bench
