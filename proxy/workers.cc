#include "proxy/workers.h"

#include <algorithm>

namespace outrigger {

Workers::Workers(std::uint32_t count, std::uint64_t seed, downstream::ConnectionTotal& connections,
                 BufferedBytes& buffered) {
  for (std::uint32_t i = 0; i < count; ++i) {
    workers_.push_back(std::make_unique<Worker>(i, seed + i, connections, buffered));
  }
}

Workers::~Workers() {
  stop();
}

void Workers::assign(Orders orders) {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    Assignment assignment{.snapshot = orders.snapshot,
                          .upstreams = orders.upstreams,
                          .observer = std::move(orders.observers[i]),
                          .config = orders.config};
    for (auto& listener : orders.new_listeners) {
      assignment.new_listeners.push_back({listener.index, std::move(listener.sockets[i])});
    }
    for (const auto& counters : orders.counters) assignment.counters.push_back(counters[i]);
    workers_[i]->assign(std::move(assignment));
  }
}

void Workers::start() {
  for (const auto& worker : workers_) worker->start();
}

void Workers::stop() {
  for (const auto& worker : workers_) worker->begin_stop();
  for (const auto& worker : workers_) worker->stop();
}

void Workers::set_closing_keep_alive(config::Direction direction, bool on) {
  for (const auto& worker : workers_) worker->set_closing_keep_alive(direction, on);
}

void Workers::stop_accepting(config::Direction direction) {
  for (const auto& worker : workers_) worker->stop_accepting(direction);
}

bool Workers::stopped_accepting() const {
  return std::ranges::all_of(workers_,
                             [](const auto& worker) { return worker->stopped_accepting(); });
}

double Workers::lag_seconds() const {
  double worst = 0;
  for (const auto& worker : workers_) worst = std::max(worst, worker->lag_seconds());
  return worst;
}

void Workers::measure_lag() {
  for (const auto& worker : workers_) worker->measure_lag();
}

void Workers::follow_endpoints() {
  for (const auto& worker : workers_) worker->follow_endpoints();
}

void Workers::tell_requests() const {
  for (const auto& worker : workers_) worker->tell_requests();
}

}  // namespace outrigger
