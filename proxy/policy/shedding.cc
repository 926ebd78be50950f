#include "proxy/policy/shedding.h"

namespace outrigger::policy {
namespace {

bool any_at(std::uint32_t times, const Load& load, const config::Overload& bounds) {
  const auto& bytes = bounds.max_buffered_bytes;
  const auto& lag = bounds.max_loop_lag;
  return load.connections >= std::uint64_t{times} * bounds.max_connections ||
         (bytes && load.buffered_bytes >= times * *bytes) || (lag && load.loop_lag >= times * *lag);
}

}  // namespace

Shedding shed(config::Criticality criticality, const Load& load, const config::Overload& bounds) {
  const auto& bytes = bounds.max_buffered_bytes;
  if (bytes && load.buffered_bytes >= kFull * *bytes) return Shedding::Full;
  switch (criticality) {
    case config::Criticality::Sheddable:
      return any_at(1, load, bounds) ? Shedding::Shed : Shedding::Admit;
    case config::Criticality::Normal:
      return any_at(2, load, bounds) ? Shedding::Shed : Shedding::Admit;
    case config::Criticality::Critical:
      break;
  }
  return Shedding::Admit;
}

}  // namespace outrigger::policy
