#include "proxy/policy/retry_budget.h"

#include <algorithm>
#include <limits>

namespace outrigger::policy {
namespace {

// 29 % of 100 first tries are 29 retries, though not in doubles.
constexpr double kRounding = 1e-6;

}  // namespace

RetryBudget::RetryBudget(const config::RetryBudget& settings)
    : settings_(settings), ring_(settings.window / kBuckets) {}

void RetryBudget::configure(const config::RetryBudget& settings) {
  settings_ = settings;
  ring_.set_span(settings.window / kBuckets);
}

void RetryBudget::deposit(TimePoint now) {
  ++ring_.at(now).firsts;
}

bool RetryBudget::withdraw(TimePoint now) {
  if (remaining(now) < 1 - kRounding) return false;
  ++ring_.at(now).retries;
  return true;
}

void RetryBudget::refund(TimePoint now) {
  Tries& newest = ring_.at(now);
  if (newest.retries > 0) --newest.retries;
}

double RetryBudget::room(const Tries& tries, double floor) const {
  return settings_.percent / 100 * tries.firsts + floor - tries.retries;
}

double RetryBudget::remaining(TimePoint now) const {
  const double burst_floor = std::max(floor(), 1.0);
  double least = std::numeric_limits<double>::infinity();
  Tries stretch;
  int age = 0;
  ring_.newest_first(now, [&](Tries bucket) {
    const bool touches_only = age == kBuckets;
    if (touches_only) bucket.firsts = 0;
    stretch += bucket;
    if (age >= kBurstBuckets) {
      least = std::min(least, room(stretch, touches_only ? floor() : burst_floor));
    }
    ++age;
  });
  return std::max(least, 0.0);
}

}  // namespace outrigger::policy
