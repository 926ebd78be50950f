// Every way a request can fail, and the one table from there to what the caller, the metrics and
// the log are told (CONFIG.md, Local answers; RFC 9209 for the types).
//
// A Failure is made at the border where libuv's and llhttp's codes arrive; from there on it is
// data.
#pragma once

#include <cstdint>
#include <string_view>

#include "proxy/policy/outcome.h"

namespace outrigger::exchange {

enum class FailureKind : std::uint8_t {
  None,
  NoRoute,
  BadRequest,
  PathDots,
  HeadTimeout,
  ReadTimeout,
  HeadTooLarge,
  UriTooLong,
  BodyTooLarge,
  NotImplemented,
  ExpectationFailed,
  VersionNotSupported,
  RateLimited,
  Overflow,
  QueueTimeout,
  Shed,
  CircuitOpen,
  NoHealthyUpstream,
  DnsFailure,
  ConnectRefused,
  ConnectTimeout,
  Reset,
  BadResponse,
  Timeout,  // per_try, request or idle is over
  Draining,
  FaultInjected,  // its status is the fault's
  CallerGone,     // never answered; recorded as 499
  kCount,
};

struct LocalAnswer {
  int status;
  std::string_view error;   // RFC 9209 error type
  std::string_view reason;  // Proxy-Status details, and the label of local_replies_total
  std::string_view body;    // one sentence for a person
};

const LocalAnswer& answer_for(FailureKind kind);

// What a try's end means for a caller who gets no other try. None for a Response.
FailureKind failure_of(policy::TryOutcome outcome);

}  // namespace outrigger::exchange
