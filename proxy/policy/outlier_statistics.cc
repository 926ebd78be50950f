#include "proxy/policy/outlier_statistics.h"

#include <algorithm>
#include <cmath>

#include "proxy/policy/failure_class.h"

namespace outrigger::policy {
namespace {

using Endpoints = std::vector<const IntervalStatistics*>;
using Verdicts = std::vector<SweepVerdict>;

constexpr double kPercentile = 0.95;
constexpr double kRounding = 1e-6;  // percent points less than which are no difference

template <class Enough>
Endpoints comparable(std::span<const IntervalStatistics> all, const Enough& enough) {
  Endpoints chosen;
  for (const auto& each : all) {
    if (each.in_service && enough(each)) chosen.push_back(&each);
  }
  return chosen;
}

// Mean and standard deviation of all values but one. Sums are about the mean of all, so that
// nothing is lost where rates hardly differ.
class LeaveOneOut {
 public:
  explicit LeaveOneOut(const Endpoints& endpoints) : count_(static_cast<double>(endpoints.size())) {
    for (const auto* each : endpoints) mean_ += each->success_percent() / count_;
    for (const auto* each : endpoints) {
      const double away = each->success_percent() - mean_;
      sum_ += away;
      squares_ += away * away;
    }
  }
  double mean_without(double value) const { return mean_ + away_without(value); }
  double deviation_without(double value) const {
    const double away = value - mean_;
    const double mean_away = away_without(value);
    const double variance = (squares_ - away * away) / (count_ - 1) - mean_away * mean_away;
    return std::sqrt(std::max(variance, 0.0));
  }

 private:
  double away_without(double value) const { return (sum_ - (value - mean_)) / (count_ - 1); }

  double count_;
  double mean_ = 0;
  double sum_ = 0;
  double squares_ = 0;
};

Verdicts by_success_rate(const config::SuccessRateDetector& settings,
                         std::span<const IntervalStatistics> all) {
  const auto endpoints = comparable(
      all, [&](const auto& each) { return each.tries() >= std::max(settings.min_requests, 1u); });
  if (endpoints.size() < std::max(settings.min_endpoints, 2u)) return {};
  const LeaveOneOut others(endpoints);
  Verdicts found;
  for (const auto* each : endpoints) {
    const double own = each->success_percent();
    const double mean = others.mean_without(own);
    const double deviation = others.deviation_without(own);
    const double wide = settings.stdev_factor * deviation;
    const bool outlier =
        mean - own > wide + kRounding && mean - own >= settings.min_gap_percent - kRounding;
    if (!outlier) continue;
    found.push_back({each->slot,
                     Detector::SuccessRate,
                     {.own = own,
                      .others = mean,
                      .deviation = deviation,
                      .bound = mean - std::max(wide, settings.min_gap_percent),
                      .tries = each->tries()}});
  }
  std::ranges::stable_sort(found, {}, [](const auto& each) { return each.evidence.own; });
  return found;
}

Verdicts by_failure_percentage(const config::FailurePercentageDetector& settings,
                               std::span<const IntervalStatistics> all) {
  const auto endpoints = comparable(
      all, [&](const auto& each) { return each.tries() >= std::max(settings.min_requests, 1u); });
  if (endpoints.size() < settings.min_endpoints) return {};
  Verdicts found;
  for (const auto* each : endpoints) {
    if (100.0 * each->failures < settings.threshold_percent * each->tries()) continue;
    found.push_back({each->slot,
                     Detector::FailurePercentage,
                     {.own = 100.0 * each->failures / each->tries(),
                      .bound = settings.threshold_percent,
                      .tries = each->tries()}});
  }
  std::ranges::stable_sort(found, std::ranges::greater{},
                           [](const auto& each) { return each.evidence.own; });
  return found;
}

// The median of `sorted` without its element `left_out`; there is at least one other.
double median_without(const std::vector<double>& sorted, std::size_t left_out) {
  const auto other = [&](std::size_t i) { return sorted[i < left_out ? i : i + 1]; };
  const std::size_t count = sorted.size() - 1;
  return count % 2 == 1 ? other(count / 2) : (other(count / 2 - 1) + other(count / 2)) / 2;
}

Verdicts by_latency(const config::LatencyDetector& settings,
                    std::span<const IntervalStatistics> all) {
  auto endpoints = comparable(all, [&](const auto& each) {
    return each.p95 && each.timed >= std::max(settings.min_requests, 1u);
  });
  if (endpoints.size() < std::max(settings.min_endpoints, 2u)) return {};
  std::ranges::stable_sort(endpoints, {}, [](const auto* each) { return *each->p95; });
  std::vector<double> sorted;
  for (const auto* each : endpoints) sorted.push_back(seconds(*each->p95));
  Verdicts found;
  for (std::size_t i = endpoints.size(); i-- > 0;) {
    const double median = median_without(sorted, i);
    const double bound = std::max(settings.factor * median, seconds(settings.floor));
    if (sorted[i] <= bound) continue;
    found.push_back(
        {endpoints[i]->slot,
         Detector::Latency,
         {.own = sorted[i], .others = median, .bound = bound, .tries = endpoints[i]->timed}});
  }
  return found;
}

void append(Verdicts& verdicts, const Verdicts& more) {
  for (const auto& each : more) {
    if (std::ranges::find(verdicts, each.slot, &SweepVerdict::slot) == verdicts.end()) {
      verdicts.push_back(each);
    }
  }
}

}  // namespace

IntervalStatistics statistics_of(std::uint32_t slot, const IntervalCounts& counts) {
  return {.slot = slot,
          .in_service = counts.in_service,
          .successes = counts.successes,
          .failures = counts.failures,
          .timed = counts.times.count(),
          .p95 = counts.times.quantile(kPercentile)};
}

bool tells_latency(const TryEnd& end) {
  switch (end.outcome) {
    case TryOutcome::Response:
      return failure_class(end) != FailureClass::Unremarkable;
    case TryOutcome::ConnectTimeout:
    case TryOutcome::PerTryTimeout:
    case TryOutcome::RequestTimeout:
    case TryOutcome::Abandoned:
      return true;
    case TryOutcome::ConnectRefused:
    case TryOutcome::ResetBeforeRequest:
    case TryOutcome::StaleConnection:
    case TryOutcome::Reset:
    case TryOutcome::BadResponse:
    case TryOutcome::OutOfResources:
      return false;
  }
  return false;
}

std::vector<SweepVerdict> sweep_verdicts(const config::OutlierDetection& settings,
                                         std::span<const IntervalStatistics> endpoints) {
  Verdicts verdicts;
  if (settings.success_rate) append(verdicts, by_success_rate(*settings.success_rate, endpoints));
  if (settings.failure_percentage) {
    append(verdicts, by_failure_percentage(*settings.failure_percentage, endpoints));
  }
  if (settings.latency) append(verdicts, by_latency(*settings.latency, endpoints));
  return verdicts;
}

}  // namespace outrigger::policy
