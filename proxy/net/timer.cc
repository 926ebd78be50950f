#include "proxy/net/timer.h"

#include "proxy/net/loop.h"

namespace outrigger::net {

void Timer::arm(TimePoint at) {
  loop_.arm(*this, at);
}

// A loop that has ended has disarmed its timers.
void Timer::disarm() {
  if (armed()) loop_.disarm(*this);
}

}  // namespace outrigger::net
