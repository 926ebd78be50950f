// How much of its weight an endpoint has that is new or came back: a tenth at first, then in a
// straight line up to the whole, so that cold caches and pools are not met by full traffic.
#pragma once

#include <algorithm>

#include "proxy/base/time.h"

namespace outrigger::policy {

inline constexpr double kSlowStartFloor = 0.1;

// `age` since it began, `length` > 0.
inline double slow_start_factor(Duration age, Duration length) {
  const double grown = std::clamp(seconds(age) / seconds(length), 0.0, 1.0);
  return kSlowStartFloor + (1 - kSlowStartFloor) * grown;
}

}  // namespace outrigger::policy
