// A point in time at which somebody is called.
//
// Cheap to move: most moves touch the timer alone, some a list of the loop's timing wheel
// (timer_wheel.h), none libuv. Never early, at most two ticks late.
#pragma once

#include "proxy/base/time.h"
#include "proxy/net/timer_wheel.h"

namespace outrigger::net {

class Loop;
class Timer;

class TimerEvents {
 public:
  virtual ~TimerEvents() = default;
  // `timer` is disarmed; it may be armed again or destroyed from here.
  virtual void on_timer(Timer& timer) = 0;
};

class Timer : private TimerNode {
 public:
  // `events` outlives the timer.
  Timer(Loop& loop, TimerEvents& events) : loop_(loop), events_(events) {}
  ~Timer() { disarm(); }

  // Sets it, or moves it. A point in the past fires on the next turn; kNever disarms.
  void arm(TimePoint at);
  void disarm();
  bool armed() const { return TimerNode::armed(); }
  // Undefined while not armed.
  TimePoint due() const { return TimerNode::due(); }

 private:
  friend class Loop;

  Loop& loop_;
  TimerEvents& events_;
};

}  // namespace outrigger::net
