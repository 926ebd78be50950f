#include "proxy/metrics/exchange_meter.h"

#include <algorithm>

namespace outrigger::metrics {
namespace {

using exchange::ExchangeRecord;
using exchange::kNoIndex;

template <class Cells, class Enum>
Cell& cell(Cells& cells, Enum of) {
  return cells[static_cast<std::size_t>(of)];
}

class MeterObserver final : public exchange::Observer {
 public:
  std::vector<std::shared_ptr<RouteCells>> routes;
  std::vector<std::shared_ptr<RouteCells>> no_route;  // by listener
  std::vector<std::shared_ptr<UpstreamCells>> upstreams;
  std::vector<std::shared_ptr<FallbackCells>> fallbacks;  // by route; null: it has none

  void on_exchange_begun(std::uint32_t listener, std::uint32_t route) override {
    cells(listener, route).in_flight.add();
  }

  void on_exchange(const ExchangeRecord& record) override {
    RouteCells& mine = cells(record.listener, record.route);
    mine.in_flight.add(-1);
    mine.codes.add(record.status);
    if (!record.upgraded) {
      mine.duration.observe(record.duration);
      mine.overhead.observe(std::max(record.duration - record.upstream_time, Duration{}));
    }
    if (record.local_reply) cell(mine.local_replies, record.failure).add();
    if (record.aborted == exchange::AbortSide::Upstream) mine.aborted_upstream.add();
    if (record.aborted == exchange::AbortSide::Downstream) mine.aborted_downstream.add();
    count_timeouts(mine, record);
    if (record.retry_denied != policy::Denial::None) cell(mine.denied, record.retry_denied).add();
    if (record.deadline_malformed) mine.malformed_deadlines.add();
    if (record.fell_back) fallbacks[record.route]->count.add();
    count_tries(mine, record);
  }

 private:
  RouteCells& cells(std::uint32_t listener, std::uint32_t route) {
    return route == kNoIndex ? *no_route[listener] : *routes[route];
  }

  static void count_timeouts(RouteCells& mine, const ExchangeRecord& record) {
    using exchange::TimeoutKind;
    if (record.timeout != TimeoutKind::None) cell(mine.timeouts, record.timeout).add();
    if (record.per_try_timeouts > 0) {
      cell(mine.timeouts, TimeoutKind::PerTry).add(record.per_try_timeouts);
    }
    if (record.connect_timeouts > 0) {
      cell(mine.timeouts, TimeoutKind::Connect).add(record.connect_timeouts);
    }
  }

  void count_tries(RouteCells& mine, const ExchangeRecord& record) {
    if (record.upstream == kNoIndex) return;
    if (record.limit != exchange::LimitKind::None) {
      cell(upstreams[record.upstream]->overflows, record.limit).add();
    }
    for (std::size_t i = 0; i < record.try_count; ++i) {
      const exchange::TryRecord& one = record.tries[i];
      if (!one.reached_endpoint) continue;
      UpstreamCells& upstream =
          *upstreams[one.upstream == kNoIndex ? record.upstream : one.upstream];
      const auto kind = static_cast<std::size_t>(one.kind);
      cell(upstream.attempts[kind], attempt_outcome(one)).add();
      if (one.ended && !record.upgraded) upstream.attempt_duration.observe(one.took);
      if (one.kind == exchange::TryKind::Retry) cell(mine.retries, record.retry_reasons[i]).add();
      if (one.kind == exchange::TryKind::Hedge) {
        (one.relayed ? mine.hedges_won : mine.hedges_lost).add();
      }
    }
  }
};

}  // namespace

std::shared_ptr<RouteCells> ExchangeMeter::route(const RouteLabels& labels) {
  auto& made = routes_[labels.listener + '\0' + labels.route + '\0' + labels.upstream];
  if (!made) {
    made = std::make_shared<RouteCells>();
    made->labels = labels;
  }
  return made;
}

std::shared_ptr<FallbackCells> ExchangeMeter::fallback(const RouteLabels& labels) {
  if (labels.fallback.empty()) return nullptr;
  auto& made = fallbacks_[labels.listener + '\0' + labels.route + '\0' + labels.fallback];
  if (!made) {
    made = std::make_shared<FallbackCells>();
    made->route = labels.route;
    made->to = labels.fallback;
  }
  return made;
}

std::unique_ptr<exchange::Observer> ExchangeMeter::observer_for(const Catalogue& catalogue) {
  auto observer = std::make_unique<MeterObserver>();
  const std::lock_guard lock(mutex_);
  for (const std::string& listener : catalogue.listeners) {
    observer->no_route.push_back(route({listener, "", ""}));
  }
  for (const RouteLabels& labels : catalogue.routes) {
    observer->routes.push_back(route(labels));
    observer->fallbacks.push_back(fallback(labels));
  }
  std::erase_if(fallbacks_, [&](const auto& each) {
    return std::ranges::find(observer->fallbacks, each.second) == observer->fallbacks.end();
  });
  for (const std::string& name : catalogue.upstreams) {
    auto& made = upstreams_[name];
    if (!made) {  // the name of a shown one may be being read
      made = std::make_shared<UpstreamCells>();
      made->name = name;
    }
    observer->upstreams.push_back(made);
  }
  std::erase_if(routes_, [&](const auto& each) {
    return std::ranges::find(observer->routes, each.second) == observer->routes.end() &&
           std::ranges::find(observer->no_route, each.second) == observer->no_route.end();
  });
  std::erase_if(upstreams_, [&](const auto& each) {
    return std::ranges::find(catalogue.upstreams, each.first) == catalogue.upstreams.end();
  });
  return observer;
}

ExchangeMeter::Shown ExchangeMeter::shown() const {
  const std::lock_guard lock(mutex_);
  Shown shown;
  for (const auto& [key, cells] : routes_) shown.routes.push_back(cells);
  for (const auto& [key, cells] : upstreams_) shown.upstreams.push_back(cells);
  for (const auto& [key, cells] : fallbacks_) shown.fallbacks.push_back(cells);
  return shown;
}

}  // namespace outrigger::metrics
