#include "proxy/policy/traffic_shares.h"

#include <algorithm>

namespace outrigger::policy {
namespace {

double healthy_part(const GroupHealth& group) {
  if (group.endpoints == 0) return 0;
  return static_cast<double>(group.healthy) / group.endpoints;
}

}  // namespace

double capacity(const GroupHealth& group) {
  return std::min(1.0, kOverprovisioning * healthy_part(group));
}

void share_by_priority(std::span<const GroupHealth> groups, std::span<double> shares) {
  double all = 0;
  for (const auto& group : groups) all += capacity(group);
  const double whole = std::min(all, 1.0);
  double left = 1;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    shares[i] = whole > 0 ? std::min(left, capacity(groups[i]) / whole) : 0;
    left -= shares[i];
  }
}

double own_zone_share(const GroupHealth& own, const GroupHealth& others) {
  if (own.healthy == 0) return 0;
  return others.healthy == 0 ? 1 : healthy_part(own);
}

}  // namespace outrigger::policy
