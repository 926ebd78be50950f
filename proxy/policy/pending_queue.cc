#include "proxy/policy/pending_queue.h"

#include "proxy/base/check.h"

namespace outrigger::policy {

PendingNode::~PendingNode() {
  INVARIANT(!queued());
}

PendingQueue::~PendingQueue() {
  while (pop_oldest()) {
  }
}

bool PendingQueue::push(PendingNode& node) {
  INVARIANT(!node.queued());
  if (size_ >= max_) return false;
  insert_after(newest_, node);
  return true;
}

bool PendingQueue::push_by_deadline(PendingNode& node, TimePoint deadline, int most_passed) {
  INVARIANT(!node.queued());
  if (size_ >= max_) return false;
  node.until = deadline;
  PendingNode* older = newest_;
  for (int passed = 0; older && older->until > deadline && passed < most_passed; ++passed) {
    older = older->older_;
  }
  insert_after(older, node);
  return true;
}

void PendingQueue::insert_after(PendingNode* older, PendingNode& node) {
  PendingNode* const newer = older ? older->newer_ : oldest_;
  node.queue_ = this;
  node.older_ = older;
  node.newer_ = newer;
  (older ? older->newer_ : oldest_) = &node;
  (newer ? newer->older_ : newest_) = &node;
  ++size_;
}

void PendingQueue::remove(PendingNode& node) {
  if (node.queue_ != this) return;
  (node.older_ ? node.older_->newer_ : oldest_) = node.newer_;
  (node.newer_ ? node.newer_->older_ : newest_) = node.older_;
  node.queue_ = nullptr;
  --size_;
}

PendingNode* PendingQueue::pop_newest() {
  PendingNode* node = newest_;
  if (node) remove(*node);
  return node;
}

PendingNode* PendingQueue::pop_oldest() {
  PendingNode* node = oldest_;
  if (node) remove(*node);
  return node;
}

}  // namespace outrigger::policy
