#include "proxy/policy/retry_budget.h"

#include <algorithm>

namespace outrigger::policy {

void RetryBudget::configure(const config::RetryBudget& settings) {
  const Duration bucket = std::max(settings.window / kBuckets, Duration(1));
  if (bucket != bucket_) buckets_ = {};
  bucket_ = bucket;
  settings_ = settings;
}

RetryBudget::Bucket& RetryBudget::at(TimePoint now) {
  const auto current = number(now);
  Bucket& bucket = buckets_[static_cast<std::size_t>(current) % buckets_.size()];
  if (bucket.number != current) bucket = {.number = current};
  return bucket;
}

void RetryBudget::deposit(TimePoint now) { ++at(now).deposits; }

double RetryBudget::remaining(TimePoint now) const {
  const auto current = number(now);
  double deposits = 0;
  double withdrawals = 0;
  for (const Bucket& bucket : buckets_) {
    if (bucket.number < 0 || bucket.number > current) continue;
    // The bucket that the window has begun to leave pays in nothing, and is still owed.
    if (bucket.number > current - kBuckets) deposits += bucket.deposits;
    if (bucket.number >= current - kBuckets) withdrawals += bucket.withdrawals;
  }
  const double floor = settings_.min_per_second * seconds(settings_.window);
  return settings_.percent / 100 * deposits + floor - withdrawals;
}

bool RetryBudget::withdraw(TimePoint now) {
  if (remaining(now) < 1) return false;
  ++at(now).withdrawals;
  return true;
}

}  // namespace outrigger::policy
