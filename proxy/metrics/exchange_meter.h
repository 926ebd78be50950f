// Counts exchanges on one worker, from their records.
//
// Labels are resolved once per configuration: each gets an Observer of its own that maps the
// record's indices to cells, so that an exchange that began before a reload counts where it
// belongs. Cells are kept by their labels over reloads; those of labels that are gone are no
// longer shown.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "proxy/exchange/record.h"
#include "proxy/metrics/catalogue.h"
#include "proxy/metrics/cells.h"

namespace outrigger::metrics {

class ExchangeMeter {
 public:
  // From the control thread. What comes into force with it is shown from now on. The observer is
  // to be called by one thread, and may outlive the meter.
  std::unique_ptr<exchange::Observer> observer_for(const Catalogue& catalogue);

  // For a scrape, from any thread.
  struct Shown {
    std::vector<std::shared_ptr<const RouteCells>> routes;  // those without a route: ""
    std::vector<std::shared_ptr<const UpstreamCells>> upstreams;
    std::vector<std::shared_ptr<const FallbackCells>> fallbacks;
  };
  Shown shown() const;

 private:
  std::shared_ptr<RouteCells> route(const RouteLabels& labels);
  std::shared_ptr<FallbackCells> fallback(const RouteLabels& labels);

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<RouteCells>> routes_;
  std::map<std::string, std::shared_ptr<UpstreamCells>> upstreams_;
  std::map<std::string, std::shared_ptr<FallbackCells>> fallbacks_;
};

}  // namespace outrigger::metrics
