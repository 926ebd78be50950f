// What a configuration has that is counted, in the order of its indices.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace outrigger::metrics {

struct RouteLabels {
  std::string listener;
  std::string route;
  std::string upstream;              // empty: the route answers by itself; of a split: the first
  std::string fallback;              // an upstream, or "respond"; empty: there is none
  std::vector<std::uint32_t> split;  // into Catalogue::upstreams; empty: it is no split
  bool hedges = false;
};

struct Catalogue {
  std::vector<std::string> listeners;
  std::vector<RouteLabels> routes;  // as ExchangeRecord::route counts them
  std::vector<std::string> upstreams;
};

}  // namespace outrigger::metrics
