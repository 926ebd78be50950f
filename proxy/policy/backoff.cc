#include "proxy/policy/backoff.h"

#include <algorithm>

namespace outrigger::policy {

Duration backoff_before(const config::Backoff& settings, int retry, Random& random) {
  Duration most = std::min(settings.base, settings.max);
  for (int i = 1; i < retry && most < settings.max; ++i) most = std::min(most * 2, settings.max);
  return Duration(static_cast<Duration::rep>(random.unit() * static_cast<double>(most.count())));
}

}  // namespace outrigger::policy
