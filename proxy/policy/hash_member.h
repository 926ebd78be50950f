// An endpoint as the tables of ring_hash and maglev see it.
#pragma once

#include <cstdint>

namespace outrigger::policy {

struct HashMember {
  std::uint32_t slot = 0;
  std::uint32_t weight = 1;  // above 0
  std::uint64_t key = 0;     // the stable hash of its address: the same in every sidecar
};

}  // namespace outrigger::policy
