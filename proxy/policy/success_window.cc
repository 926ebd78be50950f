#include "proxy/policy/success_window.h"

#include <algorithm>

namespace outrigger::policy {

void SuccessWindow::add(TimePoint now, bool success) {
  const auto current = std::max(number(now), newest_);
  for (auto next = std::max(newest_ + 1, current - static_cast<std::int64_t>(kBuckets) + 1);
       next <= current; ++next) {
    Totals& old = counts_[static_cast<std::size_t>(next) % kBuckets];
    sum_.successes -= old.successes;
    sum_.failures -= old.failures;
    old = {};
  }
  newest_ = current;
  Totals& bucket = counts_[static_cast<std::size_t>(current) % kBuckets];
  ++(success ? bucket.successes : bucket.failures);
  ++(success ? sum_.successes : sum_.failures);
}

SuccessWindow::Totals SuccessWindow::totals(TimePoint now) const {
  const auto passed = number(now) - newest_;
  if (passed <= 0) return sum_;
  Totals rest = sum_;
  for (std::int64_t i = 1; i <= std::min<std::int64_t>(passed, kBuckets); ++i) {
    const Totals& old = counts_[static_cast<std::size_t>(newest_ + i) % kBuckets];
    rest.successes -= old.successes;
    rest.failures -= old.failures;
  }
  return rest;
}

void SuccessWindow::clear() {
  counts_ = {};
  sum_ = {};
}

}  // namespace outrigger::policy
