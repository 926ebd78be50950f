// A hierarchical timing wheel: many timers, few of which ever fire, in constant time each.
//
// Seven levels of 64 slots cover every TimePoint, so nothing is clamped and nothing wraps. A timer
// lies at the level of the highest digit (base 64) in which its tick differs from the wheel's; when
// the wheel comes to a slot of a higher level, what lies there moves down. A bit per slot finds the
// next occupied one without a walk. No clock and no libuv here: time is an argument.
//
// Most timers are moved to a later time, or disarmed, long before they are due. That touches the
// node alone: it stays where it lies, and when the wheel comes there it moves on or is dropped.
#pragma once

#include <array>
#include <cstdint>

#include "proxy/base/time.h"
#include "proxy/net/list.h"

namespace outrigger::net {

class TimerNode : private ListNode {
 public:
  bool armed() const { return due_ != kDisarmed; }
  TimePoint due() const { return due_; }

 private:
  friend class TimerWheel;
  static constexpr std::uint8_t kNoLevel = 0xff;  // overdue or ready
  static constexpr TimePoint kDisarmed = TimePoint::min();

  TimePoint due_ = kDisarmed;
  std::uint8_t level_ = kNoLevel;
  std::uint8_t slot_ = 0;
};

class TimerWheel {
 public:
  static constexpr Duration kTick = std::chrono::milliseconds{5};

  // Nothing that is armed before `now` is missed, whatever `now` is.
  explicit TimerWheel(TimePoint now);
  ~TimerWheel();
  // Disarms all.
  void clear();

  // Sets the node, or moves it; what is due already becomes ready at the next expire().
  void arm(TimerNode& node, TimePoint at);
  void disarm(TimerNode& node);

  // Makes ready what is due at `now`, in the order of the ticks. Time never goes back.
  void expire(TimePoint now);
  // A node that is ready, disarmed; null when there is none. Nodes armed in between are not
  // ready before the next expire(), so that a loop over this ends.
  TimerNode* take_ready();

  // When expire() may have something to do next: at or before the first due node, kNever where no
  // node is left.
  TimePoint next_wake() const;

 private:
  static constexpr int kLevels = 7;
  static constexpr int kBits = 6;
  static constexpr unsigned kSlots = 1u << kBits;
  struct Level {
    std::uint64_t occupied = 0;
    std::array<ListNode, kSlots> slots;
  };
  struct Next {
    int level;
    unsigned slot;
    std::uint64_t tick;  // the slot's first
  };

  void place(TimerNode& node);
  bool comes_by_before(const TimerNode& node, TimePoint at) const;
  std::uint64_t first_tick(int level, unsigned slot) const;
  void empty_slot(const Next& next);
  bool next_occupied(Next& next) const;

  std::uint64_t tick_;  // all up to and including this one has been made ready
  std::array<Level, kLevels> levels_;
  ListNode overdue_;
  ListNode ready_;
};

}  // namespace outrigger::net
