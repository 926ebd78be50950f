#include "proxy/policy/place_queue.h"

namespace outrigger::policy {

bool PlaceQueue::push(PendingNode& node, std::uint32_t worker) {
  if (size_ >= max_) return false;
  ++size_;
  return queues_[worker].push(node);
}

void PlaceQueue::remove(PendingNode& node) {
  for (PendingQueue& queue : queues_) {
    const std::size_t before = queue.size();
    queue.remove(node);
    size_ -= before - queue.size();
  }
}

PendingNode* PlaceQueue::next(std::uint32_t worker) const {
  PendingNode* const own = queues_[worker].oldest();
  PendingNode* oldest = own;
  for (const PendingQueue& queue : queues_) {
    PendingNode* const first = queue.oldest();
    if (first && (!oldest || first->since < oldest->since)) oldest = first;
  }
  return own && own->since - oldest->since <= kHeadStart ? own : oldest;
}

}  // namespace outrigger::policy
