// Those who wait where there is not room for all: the most critical first, among equals whose
// deadline comes first. Where it is full, one who is more critical takes the place of the last of
// the least critical.
//
// One PendingQueue for each criticality, so that nothing is allocated and every call is short:
// deadlines come nearly in order, and a newcomer passes at most kMaxPassed that are later.
#pragma once

#include <array>

#include "config/model.h"
#include "proxy/policy/pending_queue.h"

namespace outrigger::policy {

class UrgencyQueue {
 public:
  static constexpr int kMaxPassed = 32;

  explicit UrgencyQueue(std::uint32_t max) : max_(max) {}
  // A lower bound than what waits only lets nobody in.
  void configure(std::uint32_t max) { max_ = max; }

  struct Pushed {
    bool joined = false;
    PendingNode* displaced = nullptr;  // waits no more
  };
  Pushed push(PendingNode& node, config::Criticality criticality, TimePoint deadline);
  void remove(PendingNode& node);  // nothing where the node does not wait here
  PendingNode* first() const;      // null when empty
  std::size_t size() const;

 private:
  std::uint32_t max_;
  std::array<PendingQueue, 3> queues_{PendingQueue(UINT32_MAX), PendingQueue(UINT32_MAX),
                                      PendingQueue(UINT32_MAX)};  // the most critical first
};

}  // namespace outrigger::policy
