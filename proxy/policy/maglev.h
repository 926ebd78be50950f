// Maglev hashing (Eisenbud and others, NSDI 2016): a table of prime size in which each endpoint
// fills as many entries as its weight says, each in an order of its own.
//
// More even than a ring and one step to look up; in exchange an endpoint that leaves also moves a
// few keys of the others. Immutable; built when the set or its weights change, off the request
// path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "proxy/policy/hash_member.h"

namespace outrigger::policy {

class Maglev {
 public:
  // Prime, and 64 entries for each endpoint of the largest upstream.
  static constexpr std::size_t kEntries = 65537;

  explicit Maglev(std::span<const HashMember> members);

  std::size_t size() const { return slots_.size(); }  // 0 without members
  std::size_t position(std::uint64_t hash) const { return hash % kEntries; }
  std::uint32_t slot_at(std::size_t position) const { return slots_[position]; }

 private:
  std::vector<std::uint32_t> slots_;
};

}  // namespace outrigger::policy
