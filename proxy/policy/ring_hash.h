// Consistent hashing on a ring (Karger; ketama): each endpoint stands at many points, a key
// belongs to the next point after it.
//
// An endpoint's points follow from its address and its weight beside the heaviest one, not from
// who else is there: an endpoint that leaves moves its own keys only, and none of the others'.
// Immutable; built when the set or its weights change, off the request path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "proxy/policy/hash_member.h"

namespace outrigger::policy {

class RingHash {
 public:
  // Of the heaviest; shares are then within about 6 % of what the weights say (1 standard
  // deviation), and a weight below 1/256 of the greatest still gets one point.
  static constexpr std::uint32_t kPoints = 256;

  explicit RingHash(std::span<const HashMember> members);

  std::size_t size() const { return points_.size(); }
  // Where the key stands; the next usable endpoint follows it, the end wraps around.
  std::size_t position(std::uint64_t hash) const;
  std::uint32_t slot_at(std::size_t position) const { return slots_[position]; }

 private:
  std::vector<std::uint64_t> points_;  // ascending
  std::vector<std::uint32_t> slots_;   // of the same index
};

}  // namespace outrigger::policy
