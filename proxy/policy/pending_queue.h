// Those who wait for a place, first come first served, never more than a bound.
//
// Intrusive, so that waiting allocates nothing and leaving from the middle (a caller gone, a
// deadline over) takes one step. Who serves it, and how long one may wait, is its owner's matter.
#pragma once

#include <cstddef>
#include <cstdint>

#include "proxy/base/time.h"

namespace outrigger::policy {

class PendingQueue;

// What waits is derived from this. It leaves the queue before it is destroyed.
class PendingNode {
 public:
  PendingNode() = default;
  PendingNode(const PendingNode&) = delete;
  PendingNode& operator=(const PendingNode&) = delete;
  ~PendingNode();

  bool queued() const { return queue_ != nullptr; }

  TimePoint since{};         // the owner's to set
  TimePoint until = kNever;  // push_by_deadline() sets it

 private:
  friend class PendingQueue;

  PendingQueue* queue_ = nullptr;  // where it waits
  PendingNode* older_ = nullptr;
  PendingNode* newer_ = nullptr;
};

class PendingQueue {
 public:
  explicit PendingQueue(std::uint32_t max) : max_(max) {}
  PendingQueue(const PendingQueue&) = delete;
  PendingQueue& operator=(const PendingQueue&) = delete;
  ~PendingQueue();  // those who still wait are let go

  // A lower bound than what waits only lets nobody in.
  void configure(std::uint32_t max) { max_ = max; }

  // As the last; false where it is full. The node waits nowhere yet.
  bool push(PendingNode& node);
  // The same, but before those whose deadline is later; passes at most `most_passed` of them.
  bool push_by_deadline(PendingNode& node, TimePoint deadline, int most_passed);
  void remove(PendingNode& node);                  // nothing where the node does not wait here
  PendingNode* oldest() const { return oldest_; }  // null when empty
  // Who came after one that waits here; null for the last.
  static PendingNode* next(const PendingNode& node) { return node.newer_; }
  PendingNode* pop_oldest();  // null when empty
  PendingNode* pop_newest();  // null when empty
  std::size_t size() const { return size_; }

 private:
  void insert_after(PendingNode* older, PendingNode& node);  // null: as the oldest

  std::uint32_t max_;
  std::uint32_t size_ = 0;
  PendingNode* oldest_ = nullptr;
  PendingNode* newest_ = nullptr;
};

}  // namespace outrigger::policy
