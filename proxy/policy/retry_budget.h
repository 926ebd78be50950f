// How many retries and hedges a cluster may still afford.
//
// A retry helps one caller and costs all the others, so traffic pays for it: over the sliding
// window they are at most `percent` of the first tries plus `min_per_second` × window, however
// many callers ask. First tries are counted in whole buckets within the window, retries in all
// buckets that touch it, so that the edges only err to fewer.
//
// That alone would let an outage spend at its first moment what ten seconds of good traffic have
// saved, and then whoever looks at the ten seconds from that moment on sees more retries than
// their first tries pay for. So every shorter stretch up to now, down to a tenth of the window, has
// to pay for its own retries too, with the whole floor on top (at least one retry, where the floor
// is less). Below that, a burst is granted: many tries may time out together.
//
// Whether an outcome deserves a retry is retry_rule.h; when it may start, backoff.h.
#pragma once

#include <cstdint>

#include "config/model.h"
#include "proxy/base/time.h"
#include "proxy/policy/bucket_ring.h"

namespace outrigger::policy {

class RetryBudget {
 public:
  explicit RetryBudget(const config::RetryBudget& settings);

  // The new settings apply from now on, to what the window holds.
  void configure(const config::RetryBudget& settings);

  void deposit(TimePoint now);   // one first try
  bool withdraw(TimePoint now);  // one retry or hedge, which is then begun; false: not affordable
  // It could not be begun after all. What has left the newest bucket stays spent.
  void refund(TimePoint now);

  // How many could be withdrawn now, with fractions; 0 or more.
  double remaining(TimePoint now) const;

 private:
  static constexpr int kBuckets = 40;
  static constexpr int kBurstBuckets = kBuckets / 10;

  struct Tries {
    std::uint32_t firsts = 0;
    std::uint32_t retries = 0;

    Tries& operator+=(const Tries& other) {
      firsts += other.firsts;
      retries += other.retries;
      return *this;
    }
  };

  double floor() const { return settings_.min_per_second * seconds(settings_.window); }
  double room(const Tries& tries, double floor) const;

  config::RetryBudget settings_;
  BucketRing<Tries, kBuckets + 1> ring_;  // the last may still touch the window
};

}  // namespace outrigger::policy
