// How many failures of each consecutive detector an endpoint has had in a row.
#pragma once

#include <cstdint>
#include <optional>

#include "config/model.h"
#include "proxy/policy/ejection_cause.h"
#include "proxy/policy/failure_class.h"

namespace outrigger::policy {

struct FailureRows {
  std::uint32_t local_origin = 0;
  std::uint32_t gateway_errors = 0;
  std::uint32_t any_5xx = 0;

  void count(FailureClass what) {
    if (what == FailureClass::None) return;
    local_origin = what == FailureClass::LocalOrigin ? local_origin + 1 : 0;
    if (what == FailureClass::Unremarkable) return;  // neither lengthens a row nor ends it
    const bool gateway = what == FailureClass::GatewayError || what == FailureClass::LocalOrigin;
    gateway_errors = gateway ? gateway_errors + 1 : 0;
    any_5xx = is_failure(what) ? any_5xx + 1 : 0;
  }

  // The first detector whose row is long enough.
  std::optional<Detector> verdict(const config::OutlierDetection& settings) const {
    const auto reached = [](const auto& limit, std::uint32_t row) {
      return limit && row >= *limit;
    };
    if (reached(settings.consecutive_local_origin_failures, local_origin)) {
      return Detector::ConsecutiveLocalOriginFailures;
    }
    if (reached(settings.consecutive_gateway_errors, gateway_errors)) {
      return Detector::ConsecutiveGatewayErrors;
    }
    if (reached(settings.consecutive_5xx, any_5xx)) return Detector::Consecutive5xx;
    return std::nullopt;
  }
};

}  // namespace outrigger::policy
