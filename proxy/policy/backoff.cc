#include "proxy/policy/backoff.h"

#include <algorithm>

namespace outrigger::policy {
namespace {

Duration longest(const config::Backoff& settings, int retry) {
  Duration longest = std::min(settings.base, settings.max);
  for (; retry > 1 && longest > Duration{} && longest < settings.max; --retry) {
    longest += std::min(longest, settings.max - longest);  // doubled, without an overflow
  }
  return longest;
}

}  // namespace

Duration backoff_before(const config::Backoff& settings, int retry, Random& random) {
  const Duration most = longest(settings, retry);
  // A double is coarser than nanoseconds from 104 days on: rounding must not lead beyond `most`.
  return std::min(most, std::chrono::duration_cast<Duration>((most + Duration{1}) * random.unit()));
}

}  // namespace outrigger::policy
