#include "proxy/metrics/exchange_meter.h"

#include <algorithm>
#include <set>

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
  struct Share {
    std::uint32_t upstream;
    std::shared_ptr<RouteCells> cells;
  };
  std::vector<std::vector<Share>> splits;  // by route; empty: it is no split
  std::vector<std::shared_ptr<UpstreamCells>> upstreams;
  std::vector<std::shared_ptr<FallbackCells>> fallbacks;  // by route; null: it has none

  void on_exchange_begun(std::uint32_t listener, std::uint32_t route) override {
    of_route(listener, route).in_flight.add();
  }

  void on_exchange(const ExchangeRecord& record) override {
    of_route(record.listener, record.route).in_flight.add(-1);
    RouteCells& mine = of_upstream(record);
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
    count_faults(mine, record);
    if (record.deadline_malformed) mine.malformed_deadlines.add();
    if (record.fell_back) fallbacks[record.route]->count.add();
    count_tries(mine, record);
  }

  void on_mirror(const exchange::MirrorRecord& record) override {
    UpstreamCells& upstream = *upstreams[record.upstream];
    if (record.dropped != exchange::MirrorDrop::None) {
      cell(routes[record.route]->mirrors_dropped, record.dropped).add();
    }
    if (record.limit != exchange::LimitKind::None) cell(upstream.overflows, record.limit).add();
    if (record.attempt.reached_endpoint) count_try(upstream, record.attempt, record.attempt.ended);
  }

 private:
  // Where the route's own are counted, whatever upstream a split gives a request.
  RouteCells& of_route(std::uint32_t listener, std::uint32_t route) {
    return route == kNoIndex ? *no_route[listener] : *routes[route];
  }
  RouteCells& of_upstream(const ExchangeRecord& record) {
    RouteCells& first = of_route(record.listener, record.route);
    if (record.route == kNoIndex || splits[record.route].empty()) return first;
    const auto& shares = splits[record.route];
    const auto found = std::ranges::find(shares, record.upstream, &Share::upstream);
    return found == shares.end() ? first : *found->cells;
  }

  static void count_try(UpstreamCells& upstream, const exchange::TryRecord& one, bool timed) {
    const auto kind = static_cast<std::size_t>(one.kind);
    cell(upstream.attempts[kind], attempt_outcome(one)).add();
    if (timed) upstream.attempt_duration.observe(one.took);
  }

  static void count_faults(RouteCells& mine, const ExchangeRecord& record) {
    using exchange::FaultAbort;
    if (record.fault_delayed) mine.faults_delay.add();
    if (record.fault_abort == FaultAbort::Status) mine.faults_abort.add();
    if (record.fault_abort == FaultAbort::Reset) mine.faults_reset.add();
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
      count_try(upstream, one, one.ended && !record.upgraded);
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
  made->hedges = labels.hedges;
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
    auto& shares = observer->splits.emplace_back();
    for (const std::uint32_t upstream : labels.split) {
      RouteLabels one = labels;
      one.upstream = catalogue.upstreams[upstream];
      shares.push_back({upstream, route(one)});
    }
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
  std::set<std::shared_ptr<RouteCells>> in_use(observer->routes.begin(), observer->routes.end());
  in_use.insert(observer->no_route.begin(), observer->no_route.end());
  for (const auto& shares : observer->splits) {
    for (const auto& share : shares) in_use.insert(share.cells);
  }
  std::erase_if(routes_, [&](const auto& each) { return !in_use.contains(each.second); });
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
