#include "proxy/upstream/connection_pool.h"

#include <algorithm>

#include "proxy/base/check.h"

namespace outrigger::upstream {

ConnectionPool::ConnectionPool(ClusterState& state, ConnectionFactory& factory,
                               exchange::Scheduler& scheduler, Random& random)
    : state_(state), factory_(factory), scheduler_(scheduler), random_(random) {}

ConnectionPool::~ConnectionPool() {
  close_idle();
  // Their places are of a state that other workers may still use.
  while (!draining_.empty()) {
    const auto slot = draining_.back()->slot();
    draining_.pop_back();
    state_.connection_freed(slot, scheduler_.worker(), scheduler_.now());
  }
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
         !connection.endpoint()->departed.load(std::memory_order_relaxed);
}

ConnectionPool::Obtained ConnectionPool::obtain(const Ticket& ticket, bool fresh, bool careful) {
  follow_endpoints();
  if (!fresh) {
    if (auto found = take_idle(ticket, careful, scheduler_.now())) {
      return {with_limits(std::move(found))};
    }
  }
  EndpointPtr endpoint = state_.endpoint_at(ticket.slot);
  if (!endpoint) return {};
  while (!state_.open_connection(*endpoint)) {
    if (!make_room(ticket.slot)) return {.crowded = true};
  }
  return {connect(std::move(endpoint), ticket.slot)};
}

ConnectionPtr ConnectionPool::connect_counted(const Ticket& ticket) {
  EndpointPtr endpoint = state_.endpoint_at(ticket.slot);
  if (!endpoint) {
    state_.connection_closed(*ticket.endpoint);
    return nullptr;
  }
  return connect(std::move(endpoint), ticket.slot);
}

ConnectionPtr ConnectionPool::connect(EndpointPtr endpoint, std::uint32_t slot) {
  auto made = factory_.connect(std::move(endpoint), slot, settings_->timeouts.connect);
  made->counted_by = &state_;
  state_.connecting.fetch_add(1, std::memory_order_relaxed);
  if (const auto& longest = settings_->timeouts.max_connection_duration) {
    const double jitter = 0.9 + 0.2 * random_.unit();
    made->expires = saturating_add(
        scheduler_.now(),
        Duration(static_cast<Duration::rep>(jitter * static_cast<double>(longest->count()))));
  }
  return with_limits(std::move(made));
}

ConnectionPtr ConnectionPool::with_limits(ConnectionPtr connection) const {
  const auto& limits = settings_->limits;
  connection->limits = {.max_head_bytes = limits.max_head_bytes,
                        .max_headers = limits.max_headers,
                        .max_informational_responses = limits.max_informational_responses,
                        .body = {.max_chunk_extension_bytes = limits.max_chunk_extension_bytes,
                                 .max_trailer_bytes = limits.max_trailer_bytes}};
  return connection;
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
  if (!keepable(*connection, now) || state_.closing_helps(connection->slot())) return;
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
  state_.connection_freed(slot, scheduler_.worker(), scheduler_.now());
}

// Of any endpoint, unless it is that one's own limit that is reached.
bool ConnectionPool::make_room(std::uint32_t slot) {
  const auto& most = settings_->limits.max_connections_per_endpoint;
  return close_oldest_idle(most ? std::optional(slot) : std::nullopt) ||
         (most && close_oldest_idle(std::nullopt));
}

// Rare (only at a limit), so it looks at every endpoint's oldest.
bool ConnectionPool::close_oldest_idle(std::optional<std::uint32_t> slot) {
  Idle* oldest = nullptr;
  for (std::uint32_t i = 0; i < idle_.size(); ++i) {
    Idle& idle = idle_[i];
    if (idle.empty() || (slot && i != *slot)) continue;
    if (!oldest || idle.front()->parked_at < oldest->front()->parked_at) oldest = &idle;
  }
  if (oldest) on_idle_over(*oldest->front());
  return oldest != nullptr;
}

void ConnectionPool::close_idle_for_others() {
  for (std::uint32_t slot = 0; slot < idle_.size(); ++slot) {
    while (!idle_[slot].empty() && state_.closing_helps(slot)) on_idle_over(*idle_[slot].front());
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
