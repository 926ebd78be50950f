// How traffic is shared among groups of endpoints before one of them is chosen.
//
// Priorities (Envoy's formula): a group can take min(1, 1.4 × healthy / endpoints) of the
// traffic. The first group gets what it can take, the next what it can take of the rest, and so
// on; where all together cannot take everything, each gets its part of what they can take. So the
// second group gets nothing while at least 1/1.4 = 71 % of the first are healthy.
//
// Own zone: within a group the own zone gets healthy / endpoints of the own zone, so that an
// endpoint there never carries more than when all of them are healthy; the rest spills over to
// the other zones, which get all of it where nothing is healthy in the own one, and none where
// nothing is healthy in theirs. Only where the own zone has at least `min_endpoints` in the group;
// otherwise zones are not looked at.
#pragma once

#include <cstdint>
#include <span>

namespace outrigger::policy {

inline constexpr double kOverprovisioning = 1.4;

struct GroupHealth {
  std::uint32_t healthy = 0;  // neither ejected, on probation nor failing its health checks
  std::uint32_t endpoints = 0;
};

// What a group can take of the whole traffic, 0..1.
double capacity(const GroupHealth& group);

// The share of each group, first priority first. They add up to 1, or are all 0 where nothing is
// healthy. `shares` is as long as `groups`.
void share_by_priority(std::span<const GroupHealth> groups, std::span<double> shares);

// The own zone's share of its group's traffic.
double own_zone_share(const GroupHealth& own, const GroupHealth& others);

}  // namespace outrigger::policy
