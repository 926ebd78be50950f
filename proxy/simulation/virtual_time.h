// Time that passes only when the simulation says so: a queue of things to happen, in order.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "proxy/base/time.h"
#include "proxy/exchange/ports.h"

namespace outrigger::simulation {

class VirtualTime final : public exchange::Scheduler {
 public:
  TimePoint read_clock() override { return now_; }
  std::int64_t unix_seconds() override {
    return std::chrono::duration_cast<std::chrono::seconds>(now_.time_since_epoch()).count();
  }
  void soon(exchange::Task& task) override { tasks_.add(task); }

  void at(TimePoint when, std::function<void()> what) {
    queue_.push({std::max(when, now_), ++sequence_, std::move(what)});
  }
  void after(Duration wait, std::function<void()> what) { at(now_ + wait, std::move(what)); }

  // What was left to be done soon, now.
  void settle() { tasks_.run_all(); }

  // The next thing, and what it leaves to be done soon. False when there is none before `end`.
  bool step(TimePoint end) {
    if (queue_.empty() || queue_.top().when > end) return false;
    Event next = std::move(const_cast<Event&>(queue_.top()));
    queue_.pop();
    now_ = next.when;
    next.what();
    tasks_.run_all();
    return true;
  }

 private:
  struct Event {
    TimePoint when;
    std::uint64_t sequence;
    std::function<void()> what;
    bool operator<(const Event& other) const {  // the earliest on top
      return when != other.when ? when > other.when : sequence > other.sequence;
    }
  };

  TimePoint now_{std::chrono::seconds(1)};
  std::uint64_t sequence_ = 0;
  std::priority_queue<Event> queue_;
  exchange::TaskList tasks_;
};

}  // namespace outrigger::simulation
