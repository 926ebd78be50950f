// Building metric families a line a sample.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/exchange/live_state.h"

namespace outrigger::metrics {

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

// Label values made valid UTF-8: what is not is replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

class Family {
 public:
  Family(std::string_view name, std::string_view help, prometheus::MetricType type);

  Family& add(const Labels& labels, double value);
  Family& add(const Labels& labels, const exchange::HistogramLive& histogram);
  prometheus::MetricFamily take() { return std::move(family_); }

 private:
  prometheus::MetricFamily family_;
};

inline Family counter(std::string_view name, std::string_view help) {
  return {name, help, prometheus::MetricType::Counter};
}
inline Family gauge(std::string_view name, std::string_view help) {
  return {name, help, prometheus::MetricType::Gauge};
}
inline Family histogram(std::string_view name, std::string_view help) {
  return {name, help, prometheus::MetricType::Histogram};
}

}  // namespace outrigger::metrics
