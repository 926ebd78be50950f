#include "proxy/policy/loop_lag.h"

#include <algorithm>
#include <cmath>

namespace outrigger::policy {

void LoopLag::expect(TimePoint due, TimePoint now) {
  due_ = due;
  last_ = now;
}

void LoopLag::arrived(TimePoint now) {
  const bool late = now - due_ > kGrain;
  if (late) {
    average_ = at(now);
  } else {
    const double weight = std::exp(-seconds(now - last_) / seconds(kMemory));
    average_ = Duration(static_cast<Duration::rep>(static_cast<double>(average_.count()) * weight));
  }
  due_ = kNever;
}

Duration LoopLag::at(TimePoint now) const {
  if (due_ == kNever || now - due_ <= kGrain) return average_;
  const Duration late = std::min(now - due_, most_);
  const double kept = std::exp(-seconds(now - last_) / seconds(kMemory));
  const auto difference = static_cast<double>((average_ - late).count());
  return late + Duration(static_cast<Duration::rep>(difference * kept));
}

}  // namespace outrigger::policy
