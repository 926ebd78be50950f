// ClusterState's count of connections: all of them, over all workers, idle ones included.
//
// A worker closes an idle connection of its own where there is no room for another. Only where it
// has none does a try wait, while the other workers are asked for theirs: each closes what it has
// idle, and lets nothing become idle, until nobody waits any more. As there are never more tickets
// than connections may be, one is always idle, or about to be, somewhere.

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
  if (awaiting_.size() > 0 || !may_open_locked(endpoint)) return false;
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
  if (waiter.done) return;
  for (Member* member : members_) {
    if (!member->asked_.exchange(true)) member->scheduler_.soon(*member);
  }
}

void ClusterState::serve_awaiting_locked() {
  while (policy::PendingNode* first = awaiting_.oldest()) {
    auto& waiter = static_cast<Waiter&>(*first);
    if (!may_open_locked(*waiter.ticket.endpoint)) return;
    count_open_locked(*waiter.ticket.endpoint);
    awaiting_.remove(waiter);
    waiter.done = true;
    waiter.scheduler->soon(waiter);
  }
  wanted_ = false;
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

ClusterState::Wanted ClusterState::next_wanted() const {
  const std::lock_guard lock(mutex_);
  const policy::PendingNode* first = awaiting_.oldest();
  if (!first) return {};
  const Ticket& ticket = static_cast<const Waiter*>(first)->ticket;
  const bool any_will_do = connections_ >= settings_.limits.max_connections;
  return {true, any_will_do ? std::nullopt : std::optional(ticket.slot)};
}

}  // namespace outrigger::upstream
