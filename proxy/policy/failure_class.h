// How a try counts against its endpoint.
//
// 501 and 505 are the request's doing, 429 and answers marked x-outrigger-retry are a decision of
// somebody in front of the application: they say that the endpoint can be reached, and no more.
#pragma once

#include <cstdint>

#include "proxy/policy/outcome.h"

namespace outrigger::policy {

enum class FailureClass : std::uint8_t {
  None,          // says nothing: abandoned, or a pooled connection that had been closed
  Unremarkable,  // a response, but neither success nor failure
  Success,       //
  OtherError,    // a 5xx that is no gateway error
  GatewayError,  // 502, 503, 504
  LocalOrigin,   // no response
};

constexpr bool is_failure(FailureClass c) {
  return c >= FailureClass::OtherError;
}

constexpr FailureClass failure_class(const TryEnd& end) {
  if (is_local_origin_failure(end.outcome)) return FailureClass::LocalOrigin;
  if (end.outcome != TryOutcome::Response) return FailureClass::None;
  if (end.refused_elsewhere || end.refused_for_good) return FailureClass::Unremarkable;
  switch (end.status) {
    case 429:
    case 501:
    case 505:
      return FailureClass::Unremarkable;
    case 502:
    case 503:
    case 504:
      return FailureClass::GatewayError;
    default:
      return end.status >= 500 ? FailureClass::OtherError : FailureClass::Success;
  }
}

}  // namespace outrigger::policy
