// One prometheus Collectable for the whole daemon: sums the workers' cells and the live values
// when somebody scrapes, so that the request path knows nothing of Prometheus.
#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <string>
#include <vector>

#include "proxy/exchange/live_state.h"
#include "proxy/metrics/exchange_meter.h"

namespace outrigger::metrics {

class Collector final : public prometheus::Collectable {
 public:
  // The meters, one a worker, outlive it. `live` is called once a scrape, on its thread.
  Collector(std::vector<const ExchangeMeter*> meters, std::function<exchange::LiveState()> live)
      : meters_(std::move(meters)), live_(std::move(live)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  std::vector<const ExchangeMeter*> meters_;
  std::function<exchange::LiveState()> live_;
};

// The Prometheus text format, version 0.0.4.
std::string metrics_page(const Collector& collector);

}  // namespace outrigger::metrics
