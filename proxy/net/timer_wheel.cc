#include "proxy/net/timer_wheel.h"

#include <algorithm>
#include <bit>

#include "proxy/base/check.h"

namespace outrigger::net {
namespace {

// The last tick that is over at `now`.
std::uint64_t tick_before(TimePoint now) {
  const auto since = std::max(now.time_since_epoch(), Duration::zero());
  return static_cast<std::uint64_t>(since / TimerWheel::kTick);
}

// The first tick at which `at` is not in the future.
std::uint64_t tick_after(TimePoint at) {
  const auto since = std::max(at.time_since_epoch(), Duration::zero());
  const bool exact = since % TimerWheel::kTick == Duration::zero();
  return static_cast<std::uint64_t>(since / TimerWheel::kTick) + (exact ? 0 : 1);
}

TimePoint start_of(std::uint64_t tick) {
  const auto count = static_cast<Duration::rep>(tick);
  return count > Duration::max() / TimerWheel::kTick ? kNever
                                                     : TimePoint{count * TimerWheel::kTick};
}

}  // namespace

TimerWheel::TimerWheel(TimePoint now) : tick_(tick_before(now)) {}

TimerWheel::~TimerWheel() {
  clear();
}

void TimerWheel::clear() {
  const auto disarm_all = [](ListNode& list) {
    while (ListNode* first = list.first()) {
      first->unlink();
      static_cast<TimerNode*>(first)->due_ = TimerNode::kDisarmed;
    }
  };
  for (Level& level : levels_) {
    level.occupied = 0;
    for (ListNode& slot : level.slots) disarm_all(slot);
  }
  disarm_all(overdue_);
  disarm_all(ready_);
}

void TimerWheel::arm(TimerNode& node, TimePoint at) {
  node.due_ = at;
  if (comes_by_before(node, at)) return;
  node.unlink();
  place(node);
}

void TimerWheel::disarm(TimerNode& node) {
  node.due_ = TimerNode::kDisarmed;
  if (node.level_ == TimerNode::kNoLevel) node.unlink();
}

// Whether the node may stay where it lies.
bool TimerWheel::comes_by_before(const TimerNode& node, TimePoint at) const {
  if (!node.linked() || node.level_ == TimerNode::kNoLevel) return false;
  return at >= start_of(first_tick(node.level_, node.slot_));
}

// The digits above a level's are those of the present.
std::uint64_t TimerWheel::first_tick(int level, unsigned slot) const {
  const int shift = level * kBits;
  return (tick_ >> (shift + kBits) << (shift + kBits)) | (std::uint64_t{slot} << shift);
}

void TimerWheel::place(TimerNode& node) {
  const std::uint64_t tick = tick_after(node.due_);
  if (tick <= tick_) {
    node.level_ = TimerNode::kNoLevel;
    overdue_.append(node);
    return;
  }
  const int digit = (std::bit_width(tick ^ tick_) - 1) / kBits;
  INVARIANT(digit < kLevels);
  node.level_ = static_cast<std::uint8_t>(digit);
  node.slot_ = static_cast<std::uint8_t>((tick >> (digit * kBits)) % kSlots);
  Level& level = levels_[node.level_];
  level.slots[node.slot_].append(node);
  level.occupied |= std::uint64_t{1} << node.slot_;
}

void TimerWheel::expire(TimePoint now) {
  ready_.append_all(overdue_);
  const std::uint64_t until = tick_before(now);
  for (Next next; next_occupied(next) && next.tick <= until;) {
    tick_ = next.tick;
    empty_slot(next);
  }
  tick_ = std::max(tick_, until);
}

void TimerWheel::empty_slot(const Next& next) {
  Level& level = levels_[static_cast<std::size_t>(next.level)];
  level.occupied &= ~(std::uint64_t{1} << next.slot);
  ListNode& slot = level.slots[next.slot];
  while (ListNode* first = slot.first()) {
    auto& node = static_cast<TimerNode&>(*first);
    node.unlink();
    if (!node.armed()) continue;
    if (tick_after(node.due_) > tick_) {
      place(node);
    } else {
      node.level_ = TimerNode::kNoLevel;
      ready_.append(node);
    }
  }
}

// A lower level comes first: what lies there shares all higher digits with the present.
bool TimerWheel::next_occupied(Next& next) const {
  for (int level = 0; level < kLevels; ++level) {
    const std::uint64_t occupied = levels_[static_cast<std::size_t>(level)].occupied;
    if (occupied == 0) continue;
    next.level = level;
    next.slot = static_cast<unsigned>(std::countr_zero(occupied));
    next.tick = first_tick(level, next.slot);
    return true;
  }
  return false;
}

TimerNode* TimerWheel::take_ready() {
  ListNode* first = ready_.first();
  if (first == nullptr) return nullptr;
  first->unlink();
  auto* node = static_cast<TimerNode*>(first);
  node->due_ = TimerNode::kDisarmed;
  return node;
}

TimePoint TimerWheel::next_wake() const {
  if (overdue_.linked() || ready_.linked()) return start_of(tick_);
  Next next;
  return next_occupied(next) ? start_of(next.tick) : kNever;
}

}  // namespace outrigger::net
