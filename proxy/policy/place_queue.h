// Those who wait for a place, on several workers: first come, first served, except that one who
// waits where the place has come free goes before those elsewhere who have waited at most
// kHeadStart longer. The connection is at hand there, and nobody needs to be woken.
#pragma once

#include <deque>

#include "proxy/policy/pending_queue.h"

namespace outrigger::policy {

class PlaceQueue {
 public:
  static constexpr Duration kHeadStart = std::chrono::milliseconds(10);

  // `workers`: they are counted from 0.
  PlaceQueue(std::uint32_t max, std::uint32_t workers) : max_(max) {
    for (std::uint32_t i = 0; i < workers; ++i) queues_.emplace_back(UINT32_MAX);
  }
  // A lower bound than what waits only lets nobody in.
  void configure(std::uint32_t max) { max_ = max; }

  // False where it is full. `since` of the node says from when it has waited.
  bool push(PendingNode& node, std::uint32_t worker);
  void remove(PendingNode& node);                 // nothing where the node does not wait here
  PendingNode* next(std::uint32_t worker) const;  // when a place comes free there; null when empty
  std::size_t size() const { return size_; }

 private:
  std::uint32_t max_;
  std::size_t size_ = 0;
  std::deque<PendingQueue> queues_;
};

}  // namespace outrigger::policy
