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

  // Those of now, this one included.
  const Totals& add(TimePoint now, bool success) {
    const bool current = ring_.current(now);
    Totals& bucket = ring_.at(now);
    if (!current) sum_ = sum(now);
    ++(success ? bucket.successes : bucket.failures);
    ++(success ? sum_.successes : sum_.failures);
    return sum_;
  }

  Totals totals(TimePoint now) const { return ring_.current(now) ? sum_ : sum(now); }

  void clear() {
    ring_.clear();
    sum_ = {};
  }

  // What is in it stays, for as long as the new length says.
  void set_length(Duration length) {
    ring_.set_span(length / kBuckets);
    sum_ = sum(TimePoint{});  // the newest bucket is later than that
  }

 private:
  static constexpr int kBuckets = 10;

  Totals sum(TimePoint now) const {
    Totals sum;
    ring_.newest_first(now, [&sum](const Totals& bucket) { sum += bucket; });
    return sum;
  }

  BucketRing<Totals, kBuckets> ring_;
  Totals sum_;  // of its buckets, up to the newest
};

}  // namespace outrigger::policy
