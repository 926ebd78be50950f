// What ejects an endpoint, by which numbers, and what keeps it from being ejected; named as the
// metrics name them.
#pragma once

#include <cstdint>
#include <string_view>

namespace outrigger::policy {

enum class Detector : std::uint8_t {
  ConsecutiveLocalOriginFailures,
  ConsecutiveGatewayErrors,
  Consecutive5xx,
  SuccessRate,  // these three by a sweep
  FailurePercentage,
  Latency,
  Probation,  // a failure while on it
};
inline constexpr std::size_t kDetectors = 7;

// The numbers that made an endpoint an outlier. Rates in percent, times in seconds.
struct Evidence {
  double own = 0;           // failures in a row, a rate, or a 95th percentile
  double others = 0;        // the mean rate of the others, or the median of their percentiles
  double deviation = 0;     // the others' standard deviation
  double bound = 0;         // which `own` is at or beyond
  std::uint32_t tries = 0;  // of its own, in the interval
};

enum class EjectionDenial : std::uint8_t { MaxEjectionPercent, MinAvailable, Lone, CommonMode };
inline constexpr std::size_t kEjectionDenials = 4;

constexpr std::string_view label(Detector detector) {
  switch (detector) {
    case Detector::ConsecutiveLocalOriginFailures:
      return "consecutive-local-origin-failures";
    case Detector::ConsecutiveGatewayErrors:
      return "consecutive-gateway-errors";
    case Detector::Consecutive5xx:
      return "consecutive-5xx";
    case Detector::SuccessRate:
      return "success-rate";
    case Detector::FailurePercentage:
      return "failure-percentage";
    case Detector::Latency:
      return "latency";
    case Detector::Probation:
      return "probation";
  }
  return {};
}

constexpr std::string_view label(EjectionDenial cause) {
  switch (cause) {
    case EjectionDenial::MaxEjectionPercent:
      return "max-ejection-percent";
    case EjectionDenial::MinAvailable:
      return "min-available";
    case EjectionDenial::Lone:
      return "lone";
    case EjectionDenial::CommonMode:
      return "common-mode";
  }
  return {};
}

}  // namespace outrigger::policy
