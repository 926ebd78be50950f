#include "proxy/downstream/listener.h"

#include <cstring>

#include "proxy/exchange/failure.h"
#include "proxy/http/date.h"
#include "proxy/http/writer.h"

namespace outrigger::downstream {
namespace {

constexpr Duration kLinger = std::chrono::seconds(1);

// Exact, whoever else counts at the same time.
bool count_up_to(std::uint32_t most, std::atomic<std::uint32_t>& count) {
  if (count.fetch_add(1, std::memory_order_relaxed) < most) return true;
  count.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

}  // namespace

CountersByWorker make_counters(std::uint32_t workers) {
  const auto open = std::make_shared<std::atomic<std::uint32_t>>(0);
  CountersByWorker counters;
  for (std::uint32_t i = 0; i < workers; ++i) {
    counters.push_back(std::make_shared<ListenerCounters>(open));
  }
  return counters;
}

Listener::Listener(net::Loop& loop, net::BoundSocket socket, Pools& pools, ConnectionTotal& total,
                   std::shared_ptr<ListenerCounters> counters)
    : loop_(loop),
      pools_(pools),
      total_(total),
      counters_(std::move(counters)),
      socket_(loop, std::move(socket), *this) {}

Listener::~Listener() {
  close_all();
}

void Listener::use(exchange::Scope& scope, const exchange::ListenerRoutes& routes) {
  scope_ = &scope;
  routes_ = &routes;
}

void Listener::set_closing_keep_alive(bool on) {
  closing_keep_alive_ = on;
}

std::string_view Listener::date() {
  const std::int64_t now = scope_->scheduler->unix_seconds();
  if (now == date_at_) return {date_text_, sizeof(date_text_) - 1};
  date_at_ = now;
  return http::imf_fixdate(now, date_text_);
}

void Listener::on_accept(std::unique_ptr<net::Stream> stream) {
  if (!count_connection()) return refuse(*stream);
  auto* connection = new Connection(*this, std::move(stream), draining_);
  connection->previous = nullptr;
  connection->next = first_;
  if (first_) first_->previous = connection;
  first_ = connection;
  ++open_;
  connection->start();
}

bool Listener::count_connection() {
  if (!count_up_to(settings().limits.max_connections, *counters_->connections)) {
    counters_->over_max_connections.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  if (count_up_to(total_.max.load(std::memory_order_relaxed), total_.open)) return true;
  counters_->connections->fetch_sub(1, std::memory_order_relaxed);
  bump(counters_->over_overload);
  return false;
}

void Listener::discount_connection() {
  counters_->connections->fetch_sub(1, std::memory_order_relaxed);
  total_.open.fetch_sub(1, std::memory_order_relaxed);
}

// Answered without reading anything, so that a flood costs little.
void Listener::refuse(net::Stream& stream) {
  const auto& answer = exchange::answer_for(exchange::FailureKind::Overflow);
  http::OutBuffer out;
  http::write_local_response(
      out, {.status = answer.status,
            .proxy_status = "outrigger; error=connection_limit_reached; details=\"overflow\"",
            .body = answer.body,
            .content_type = "text/plain",
            .retry_after_s = 1,
            .close = true});
  stream.write(out.view());
  stream.close_when_drained(kLinger);
}

void Listener::on_accept_error(int uv_error) {
  bump(counters_->over_system);
  if (!accept_complaints_.due(loop_.now())) return;
  log::error("listener {}: cannot accept connections: {}; they wait", settings().name,
             std::strerror(-uv_error));
}

void Listener::stop_accepting() {
  draining_ = true;
  socket_.accept_all_then_close();
  for (Connection* each = first_; each;) {
    Connection* next = each->next;
    each->give_last_call();
    each = next;
  }
}

std::shared_ptr<void> Listener::count_request() {
  bump(counters_->requests);
  return {nullptr, [counters = counters_](void*) { bump(counters->requests, -1U); }};
}

void Listener::close_all() {
  while (first_) first_->abandon();
}

void Listener::remove(Connection& connection) {
  if (connection.previous) {
    connection.previous->next = connection.next;
  } else {
    first_ = connection.next;
  }
  if (connection.next) connection.next->previous = connection.previous;
  --open_;
  discount_connection();
  loop_.retire(std::unique_ptr<net::Retirable>(&connection));
}

}  // namespace outrigger::downstream
