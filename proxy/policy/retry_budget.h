// How many retries a cluster may still afford.
//
// A retry helps one caller and costs all the others, so traffic pays for it: over the sliding
// window, retries and hedges ≤ percent of the first tries + min_per_second × window. In an outage
// the extra load stops there, however many callers ask. Finagle's RetryBudget, counted exactly:
// buckets leave first tries early and withdrawals late, so that the bound errs to fewer only.
//
// Whether an outcome deserves a retry is retry_rule.h; when it may start, backoff.h.
#pragma once

#include <array>
#include <cstdint>

#include "config/model.h"
#include "proxy/base/time.h"

namespace outrigger::policy {

class RetryBudget {
 public:
  static constexpr std::int64_t kBuckets = 10;  // of a window

  explicit RetryBudget(const config::RetryBudget& settings) { configure(settings); }
  // The new settings apply from now on; with another window it starts anew.
  void configure(const config::RetryBudget& settings);

  void deposit(TimePoint now);   // a first try
  bool withdraw(TimePoint now);  // a retry; false where it cannot be afforded
  double remaining(TimePoint now) const;

 private:
  struct Bucket {
    std::int64_t number = -1;
    std::uint32_t deposits = 0;
    std::uint32_t withdrawals = 0;
  };

  std::int64_t number(TimePoint now) const { return now.time_since_epoch() / bucket_; }
  Bucket& at(TimePoint now);

  config::RetryBudget settings_;
  Duration bucket_{};
  std::array<Bucket, kBuckets + 1> buckets_{};  // one more: the oldest is half out of the window
};

}  // namespace outrigger::policy
