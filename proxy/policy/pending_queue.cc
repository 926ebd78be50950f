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
  node.queue_ = this;
  node.older_ = newest_;
  node.newer_ = nullptr;
  (newest_ ? newest_->newer_ : oldest_) = &node;
  newest_ = &node;
  ++size_;
  return true;
}

void PendingQueue::remove(PendingNode& node) {
  if (node.queue_ != this) return;
  (node.older_ ? node.older_->newer_ : oldest_) = node.newer_;
  (node.newer_ ? node.newer_->older_ : newest_) = node.older_;
  node.queue_ = nullptr;
  --size_;
}

PendingNode* PendingQueue::pop_oldest() {
  PendingNode* node = oldest_;
  if (node) remove(*node);
  return node;
}

}  // namespace outrigger::policy
