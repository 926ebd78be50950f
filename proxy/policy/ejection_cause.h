// What ejects an endpoint, and what keeps it from being ejected; named as the metrics name them.
#pragma once

#include <cstdint>
#include <string_view>

namespace outrigger::policy {

enum class Detector : std::uint8_t {
  ConsecutiveLocalOriginFailures,
  ConsecutiveGatewayErrors,
  Consecutive5xx,
  Probation,  // a failure while on it
};
inline constexpr std::size_t kDetectors = 4;

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
