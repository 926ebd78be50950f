// How policies name the endpoints of an upstream: by slot, an index from 0 that is stable while
// the endpoint exists and used again after it is removed.
#pragma once

#include <cstdint>

namespace outrigger::policy {

inline constexpr std::uint32_t kMaxEndpoints = 1024;  // slots of one upstream

}  // namespace outrigger::policy
