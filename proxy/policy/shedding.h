// Who is refused when the sidecar itself has too much to do: what can wait first, what must not
// wait last.
//
// Three readings, each against its bound: connections, buffered bytes, lag of the event loop. With
// any of them at its bound sheddable requests are refused, at twice the bound normal ones too.
// Critical ones are refused only where memory itself is at stake. Two of the readings do not jump,
// and the third is smoothed where it is taken (loop_lag.h), so that nothing is remembered here.
#pragma once

#include <cstdint>

#include "config/model.h"
#include "proxy/base/time.h"

namespace outrigger::policy {

struct Load {
  std::uint32_t connections = 0;
  std::uint64_t buffered_bytes = 0;
  Duration loop_lag{};
};

enum class Shedding : std::uint8_t { Admit, Shed, Full };  // Full: not even what is critical

// At so many times max_buffered_bytes (with `auto`: three quarters of the cgroup's memory) nobody
// new is let in.
inline constexpr std::uint64_t kFull = 3;

// Without a value a bound is off.
Shedding shed(config::Criticality criticality, const Load& load, const config::Overload& bounds);

}  // namespace outrigger::policy
