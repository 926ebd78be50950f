#include "proxy/metrics/families.h"

#include <limits>

namespace outrigger::metrics {
namespace {

// Length of the UTF-8 sequence at the front, 0 where there is none (RFC 3629).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned char second = byte(1);
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool surrogate = first == 0xed && second > 0x9f;
  const bool beyond = first == 0xf4 && second > 0x8f;
  return overlong || surrogate || beyond ? 0 : length;
}

void add_labels(prometheus::ClientMetric& metric, const Labels& labels) {
  for (const auto& [name, value] : labels) {
    prometheus::ClientMetric::Label label;
    label.name = std::string(name);
    label.value = valid_utf8(value);
    metric.label.push_back(std::move(label));
  }
}

}  // namespace

std::string valid_utf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    valid += length > 0 ? text.substr(0, length) : std::string_view("\xef\xbf\xbd");
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return valid;
}

Family::Family(std::string_view name, std::string_view help, prometheus::MetricType type) {
  family_.name = std::string(name.starts_with("process_") ? "" : "outrigger_").append(name);
  family_.help = std::string(help);
  family_.type = type;
}

Family& Family::add(const Labels& labels, double value) {
  prometheus::ClientMetric metric;
  add_labels(metric, labels);
  if (family_.type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  family_.metric.push_back(std::move(metric));
  return *this;
}

Family& Family::add(const Labels& labels, const exchange::HistogramLive& histogram) {
  prometheus::ClientMetric metric;
  add_labels(metric, labels);
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < exchange::kBucketCount; ++i) {
    cumulative += histogram.buckets[i];
    prometheus::ClientMetric::Bucket bucket;
    bucket.cumulative_count = cumulative;
    bucket.upper_bound = i < exchange::kBucketBounds.size()
                             ? exchange::kBucketBounds[i]
                             : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back(bucket);
  }
  metric.histogram.sample_count = cumulative;
  metric.histogram.sample_sum = histogram.sum;
  family_.metric.push_back(std::move(metric));
  return *this;
}

}  // namespace outrigger::metrics
