// Who waits for a place, first come first served, at most so many. Intrusive: waiting allocates
// nothing.
#pragma once

#include <cstdint>

#include "proxy/base/check.h"
#include "proxy/base/time.h"

namespace outrigger::policy {

// Must have left the queue before it is destroyed.
struct PendingNode {
  PendingNode() = default;
  PendingNode(const PendingNode&) = delete;
  PendingNode& operator=(const PendingNode&) = delete;
  ~PendingNode() { INVARIANT(!queued); }

  TimePoint since{};
  PendingNode* older = nullptr;
  PendingNode* younger = nullptr;
  bool queued = false;
};

class PendingQueue {
 public:
  explicit PendingQueue(std::uint32_t most) : most_(most) {}
  // A lower bound sends nobody away who waits already.
  void configure(std::uint32_t most) { most_ = most; }

  bool push(PendingNode& node) {  // false: full
    if (size_ >= most_) return false;
    INVARIANT(!node.queued);
    node.queued = true;
    node.older = youngest_;
    node.younger = nullptr;
    (youngest_ ? youngest_->younger : oldest_) = &node;
    youngest_ = &node;
    ++size_;
    return true;
  }

  void remove(PendingNode& node) {  // idempotent
    if (!node.queued) return;
    node.queued = false;
    (node.older ? node.older->younger : oldest_) = node.younger;
    (node.younger ? node.younger->older : youngest_) = node.older;
    --size_;
  }

  PendingNode* oldest() const { return oldest_; }
  std::uint32_t size() const { return size_; }

 private:
  std::uint32_t most_;
  std::uint32_t size_ = 0;
  PendingNode* oldest_ = nullptr;
  PendingNode* youngest_ = nullptr;
};

}  // namespace outrigger::policy
