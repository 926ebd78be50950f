#include "proxy/upstream/connection_pool.h"

#include <algorithm>

#include "proxy/base/check.h"

namespace outrigger::upstream {

ConnectionPool::ConnectionPool(ClusterState& state, ConnectionFactory& factory,
                               exchange::Scheduler& scheduler, Random& random)
    : state_(state), factory_(factory), scheduler_(scheduler), random_(random) {}

ConnectionPool::~ConnectionPool() {
  close_idle();
}

void ConnectionPool::close_idle() {
  for (Idle& idle : idle_) {
    state_.idle_connections.fetch_sub(static_cast<std::uint32_t>(idle.size()),
                                      std::memory_order_relaxed);
    idle.clear();
  }
}

Duration ConnectionPool::idle_time(const Connection& connection) const {
  if (settings_->timeouts.idle) return *settings_->timeouts.idle;
  if (connection.idle_hint == Duration{}) return kDefaultIdle;
  return connection.idle_hint - std::chrono::seconds(1);  // 0: not worth keeping
}

bool ConnectionPool::keepable(const Connection& connection, TimePoint now) const {
  const auto& most = settings_->limits.max_requests_per_connection;
  return connection.reusable() && now < connection.expires &&
         !(most && connection.exchanges >= *most) && idle_time(connection) > Duration{} &&
         state_.endpoint_at(connection.slot()) == connection.endpoint();
}

ConnectionPtr ConnectionPool::obtain(const Ticket& ticket, bool fresh, bool careful) {
  auto connection = find_or_make(ticket, fresh, careful);
  if (!connection) return nullptr;
  const auto& limits = settings_->limits;
  connection->limits = {.max_head_bytes = limits.max_head_bytes,
                        .max_headers = limits.max_headers,
                        .max_informational_responses = limits.max_informational_responses,
                        .body = {.max_chunk_extension_bytes = limits.max_chunk_extension_bytes,
                                 .max_trailer_bytes = limits.max_trailer_bytes}};
  return connection;
}

ConnectionPtr ConnectionPool::find_or_make(const Ticket& ticket, bool fresh, bool careful) {
  const auto now = scheduler_.now();
  follow_endpoints();
  if (!fresh) {
    if (auto found = take_idle(ticket, careful, now)) return found;
  }
  if (ticket.make_room) close_oldest_idle();
  keep_within_endpoint_limit(ticket.slot);
  EndpointPtr endpoint = state_.endpoint_at(ticket.slot);
  if (!endpoint) return nullptr;
  auto made = factory_.connect(std::move(endpoint), ticket.slot, settings_->timeouts.connect);
  state_.connecting.fetch_add(1, std::memory_order_relaxed);
  if (const auto& longest = settings_->timeouts.max_connection_duration) {
    const double jitter = 0.9 + 0.2 * random_.unit();
    made->expires = saturating_add(
        now, Duration(static_cast<Duration::rep>(jitter * static_cast<double>(longest->count()))));
  }
  return made;
}

ConnectionPtr ConnectionPool::take_idle(const Ticket& ticket, bool careful, TimePoint now) {
  if (ticket.slot >= idle_.size()) return nullptr;
  Idle& idle = idle_[ticket.slot];
  while (!idle.empty()) {
    const bool too_old = careful && now - idle.back()->parked_at > idle_time(*idle.back()) / 2;
    if (too_old) return nullptr;
    ConnectionPtr found = std::move(idle.back());
    idle.pop_back();
    state_.idle_connections.fetch_sub(1, std::memory_order_relaxed);
    if (now < found->expires) return found;
  }
  return nullptr;
}

void ConnectionPool::give_back(ConnectionPtr connection) {
  const auto now = scheduler_.now();
  count_bytes(*connection);
  if (!keepable(*connection, now)) return;
  const auto slot = connection->slot();
  if (slot >= idle_.size()) idle_.resize(slot + 1);
  connection->parked_at = now;
  connection->park(*this,
                   std::min(saturating_add(now, idle_time(*connection)), connection->expires));
  idle_[slot].push_back(std::move(connection));
  state_.idle_connections.fetch_add(1, std::memory_order_relaxed);
}

void ConnectionPool::drain(ConnectionPtr connection) {
  Connection& draining = *connection;
  draining_.push_back(std::move(connection));
  draining.drain(*this);
}

void ConnectionPool::count_bytes(Connection& connection) {
  const auto bytes = connection.bytes();
  state_.bytes_in.fetch_add(bytes.in - connection.counted.in, std::memory_order_relaxed);
  state_.bytes_out.fetch_add(bytes.out - connection.counted.out, std::memory_order_relaxed);
  connection.counted = bytes;
}

void ConnectionPool::on_idle_over(Connection& connection) {
  count_bytes(connection);
  take_out(connection);  // and lets it go
}

ConnectionPtr ConnectionPool::take_out(Connection& connection) {
  Idle& idle = idle_[connection.slot()];
  const auto at = std::ranges::find(idle, &connection, &ConnectionPtr::get);
  INVARIANT(at != idle.end());
  ConnectionPtr found = std::move(*at);
  idle.erase(at);
  state_.idle_connections.fetch_sub(1, std::memory_order_relaxed);
  return found;
}

void ConnectionPool::on_drained(Connection& connection) {
  const auto at = std::ranges::find(draining_, &connection, &ConnectionPtr::get);
  INVARIANT(at != draining_.end());
  ConnectionPtr found = std::move(*at);
  draining_.erase(at);
  const auto slot = found->slot();
  give_back(std::move(found));
  state_.connection_freed(slot, scheduler_.now());
}

// Rare (only at max_connections), so it looks at every endpoint's oldest.
void ConnectionPool::close_oldest_idle() {
  Idle* oldest = nullptr;
  for (Idle& idle : idle_) {
    if (idle.empty()) continue;
    if (!oldest || idle.front()->parked_at < oldest->front()->parked_at) oldest = &idle;
  }
  if (oldest) on_idle_over(*oldest->front());
}

// A try that wants a new connection though one is idle: the limit is on both together.
void ConnectionPool::keep_within_endpoint_limit(std::uint32_t slot) {
  const auto& most = settings_->limits.max_connections_per_endpoint;
  if (!most || slot >= idle_.size()) return;
  Idle& idle = idle_[slot];
  while (!idle.empty() && state_.busy_connections(slot) + idle.size() > *most) {
    on_idle_over(*idle.front());
  }
}

void ConnectionPool::drop_unwanted() {
  version_ = state_.version();
  for (Idle& idle : idle_) {
    const auto gone = std::erase_if(idle, [this](const ConnectionPtr& connection) {
      return state_.endpoint_at(connection->slot()) != connection->endpoint() ||
             !state_.healthy(connection->slot());
    });
    state_.idle_connections.fetch_sub(static_cast<std::uint32_t>(gone), std::memory_order_relaxed);
  }
}

}  // namespace outrigger::upstream
