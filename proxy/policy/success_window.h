// How many successes and failures there were of late: a sliding window of ten buckets.
//
// It forgets a tenth at a time, so that what it covers varies between nine and ten tenths of its
// length. By what they are judged is its owner's matter (a breaker, an endpoint's detectors).
#pragma once

#include <cstdint>

#include "proxy/base/time.h"
#include "proxy/policy/bucket_ring.h"

namespace outrigger::policy {

class SuccessWindow {
 public:
  struct Totals {
    std::uint32_t successes = 0;
    std::uint32_t failures = 0;

    Totals& operator+=(const Totals& other) {
      successes += other.successes;
      failures += other.failures;
      return *this;
    }
    std::uint32_t count() const { return successes + failures; }
  };

  explicit SuccessWindow(Duration length) : ring_(length / kBuckets) {}

  void add(TimePoint now, bool success) {
    Totals& bucket = ring_.at(now);
    ++(success ? bucket.successes : bucket.failures);
  }

  Totals totals(TimePoint now) const {
    Totals sum;
    ring_.newest_first(now, [&sum](const Totals& bucket) { sum += bucket; });
    return sum;
  }

  void clear() { ring_.clear(); }

  // What is in it stays, for as long as the new length says.
  void set_length(Duration length) { ring_.set_span(length / kBuckets); }

 private:
  static constexpr int kBuckets = 10;

  BucketRing<Totals, kBuckets> ring_;
};

}  // namespace outrigger::policy
