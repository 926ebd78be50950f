#include "proxy/policy/urgency_queue.h"

namespace outrigger::policy {

static_assert(static_cast<int>(config::Criticality::Critical) == 0);
static_assert(static_cast<int>(config::Criticality::Sheddable) == 2);

UrgencyQueue::Pushed UrgencyQueue::push(PendingNode& node, config::Criticality criticality,
                                        TimePoint deadline) {
  const auto rank = static_cast<std::size_t>(criticality);
  Pushed pushed;
  if (size() >= max_) {
    std::size_t last = queues_.size() - 1;
    while (last > rank && queues_[last].size() == 0) --last;
    if (last <= rank) return pushed;
    pushed.displaced = queues_[last].pop_newest();
  }
  pushed.joined = queues_[rank].push_by_deadline(node, deadline, kMaxPassed);
  return pushed;
}

void UrgencyQueue::remove(PendingNode& node) {
  for (PendingQueue& queue : queues_) queue.remove(node);
}

PendingNode* UrgencyQueue::first() const {
  for (const PendingQueue& queue : queues_) {
    if (queue.oldest()) return queue.oldest();
  }
  return nullptr;
}

std::size_t UrgencyQueue::size() const {
  std::size_t size = 0;
  for (const PendingQueue& queue : queues_) size += queue.size();
  return size;
}

}  // namespace outrigger::policy
