// ClusterState's count of connections: all of them, over all workers, idle ones included.
//
// A worker closes an idle connection of its own where there is no room for another. Only where it
// has none does a try wait, while the other workers are asked for theirs: each closes what it has
// idle, and lets nothing become idle, as long as that helps somebody who waits. As there are never
// more tickets than connections may be, one is always idle, or about to be, somewhere.
//
// Who waits is looked through from the oldest: one at its endpoint's own limit holds up no other.

#include "proxy/base/check.h"
#include "proxy/upstream/cluster_state.h"

namespace outrigger::upstream {

bool ClusterState::may_open_locked(const Endpoint& endpoint) const {
  const auto& limits = settings_.limits;
  const auto& most = limits.max_connections_per_endpoint;
  return connections_ < limits.max_connections && (!most || endpoint.connections < *most);
}

void ClusterState::count_open_locked(const Endpoint& endpoint) {
  ++connections_;
  ++endpoint.connections;
}

bool ClusterState::open_connection(const Endpoint& endpoint) {
  const std::lock_guard lock(mutex_);
  // Whoever waits cannot open one now, so that nobody is overtaken.
  if (!may_open_locked(endpoint)) return false;
  count_open_locked(endpoint);
  return true;
}

void ClusterState::connection_closed(const Endpoint& endpoint) {
  const std::lock_guard lock(mutex_);
  INVARIANT(connections_ > 0 && endpoint.connections > 0);
  --connections_;
  --endpoint.connections;
  serve_awaiting_locked();
}

void ClusterState::await_connection(Waiter& waiter) {
  const std::lock_guard lock(mutex_);
  waiter.done = false;
  awaiting_.push(waiter);
  wanted_ = true;
  serve_awaiting_locked();  // one may have been closed just now
}

// Those who still wait have the members asked, and asked again: what an answer was worth depends on
// who waited then.
void ClusterState::serve_awaiting_locked() {
  policy::PendingNode* next = nullptr;
  for (policy::PendingNode* each = awaiting_.oldest(); each; each = next) {
    next = policy::PendingQueue::next(*each);
    auto& waiter = static_cast<Waiter&>(*each);
    if (!may_open_locked(*waiter.ticket.endpoint)) continue;
    count_open_locked(*waiter.ticket.endpoint);
    awaiting_.remove(waiter);
    waiter.done = true;
    waiter.scheduler->soon(waiter);
  }
  wanted_ = awaiting_.size() > 0;
  if (!wanted_) return;
  for (Member* member : members_) {
    if (!member->asked_.exchange(true)) member->scheduler_.soon(*member);
  }
}

void ClusterState::stop_awaiting(Waiter& waiter) {
  {
    const std::lock_guard lock(mutex_);
    awaiting_.remove(waiter);
    if (!waiter.done) return serve_awaiting_locked();
    waiter.done = false;
  }
  connection_closed(*waiter.ticket.endpoint);
}

bool ClusterState::closing_helps(std::uint32_t slot) const {
  if (!wanted_.load(std::memory_order_relaxed)) return false;
  const std::lock_guard lock(mutex_);
  const auto& limits = settings_.limits;
  const auto& most = limits.max_connections_per_endpoint;
  if (connections_ > limits.max_connections) return true;  // a reload has lowered it
  for (auto* each = awaiting_.oldest(); each; each = policy::PendingQueue::next(*each)) {
    const Ticket& ticket = static_cast<const Waiter*>(each)->ticket;
    const std::uint32_t left = ticket.endpoint->connections - (ticket.slot == slot ? 1 : 0);
    if (!most || left < *most) return true;
  }
  return false;
}

}  // namespace outrigger::upstream
