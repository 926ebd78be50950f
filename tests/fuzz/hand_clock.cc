#include "tests/fuzz/hand_clock.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

namespace outrigger::fuzz {
namespace {

TimePoint now_by_hand{std::chrono::hours(1)};

}  // namespace

void set_clock(TimePoint now) {
  now_by_hand = now;
}

void move_clock(Duration by) {
  now_by_hand += by;
}

}  // namespace outrigger::fuzz

// In place of the C library's, also for libuv.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  if (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE) {
    return static_cast<int>(syscall(SYS_clock_gettime, clock, time));
  }
  const auto since = outrigger::fuzz::now_by_hand.time_since_epoch();
  const auto whole = std::chrono::floor<std::chrono::seconds>(since);
  *time = {.tv_sec = whole.count(), .tv_nsec = (since - whole).count()};
  return 0;
}
