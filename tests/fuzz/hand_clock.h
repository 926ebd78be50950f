// CLOCK_MONOTONIC, moved by hand, for the whole program that links this: the proxy's loop, libuv
// beneath it, and all who ask either see the same time, and a minute passes in no time. Other
// clocks go on as they are.
#pragma once

#include "proxy/base/time.h"

namespace outrigger::fuzz {

void set_clock(TimePoint now);
void move_clock(Duration by);

}  // namespace outrigger::fuzz
