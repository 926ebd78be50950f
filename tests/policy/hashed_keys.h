// Members and keys for the tests of ring_hash and maglev.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "proxy/policy/hash_member.h"
#include "proxy/policy/stable_hash.h"

namespace outrigger::policy {

inline constexpr int kKeys = 100000;

// In the slots 0, 1, …; addresses are counted from `first`.
inline std::vector<HashMember> members_of(const std::vector<std::uint32_t>& weights,
                                          std::uint32_t first = 0) {
  std::vector<HashMember> members;
  for (std::uint32_t i = 0; i < weights.size(); ++i) {
    const auto address = "10.0.0." + std::to_string(first + i) + ":8080";
    members.push_back({.slot = i, .weight = weights[i], .key = StableHash::of(address)});
  }
  return members;
}

inline std::uint64_t key_hash(int i) {
  return StableHash::of("user-" + std::to_string(i));
}

// The slot of each of kKeys keys.
template <class Table>
std::vector<std::uint32_t> owners(const Table& table) {
  std::vector<std::uint32_t> slots;
  for (int i = 0; i < kKeys; ++i) slots.push_back(table.slot_at(table.position(key_hash(i))));
  return slots;
}

inline double share_of(const std::vector<std::uint32_t>& slots, std::uint32_t slot) {
  double count = 0;
  for (const auto each : slots) count += each == slot ? 1 : 0;
  return count / static_cast<double>(slots.size());
}

inline double share_moved(const std::vector<std::uint32_t>& before,
                          const std::vector<std::uint32_t>& after) {
  double moved = 0;
  for (std::size_t i = 0; i < before.size(); ++i) moved += before[i] != after[i] ? 1 : 0;
  return moved / static_cast<double>(before.size());
}

}  // namespace outrigger::policy
