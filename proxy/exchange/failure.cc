#include "proxy/exchange/failure.h"

#include <array>

#include "proxy/base/check.h"

namespace outrigger::exchange {
namespace {

struct Row {
  FailureKind kind;
  LocalAnswer answer;
};

constexpr std::array<Row, static_cast<std::size_t>(FailureKind::kCount)> kTable = {{
    {FailureKind::None, {200, "", "", ""}},
    {FailureKind::NoRoute,
     {404, "destination_not_found", "no-route", "No route matches this request."}},
    {FailureKind::BadRequest,
     {400, "http_request_error", "bad-request", "The request is malformed."}},
    {FailureKind::PathDots,
     {400, "http_request_error", "path-dots", "The path holds dot segments."}},
    {FailureKind::HeadTimeout,
     {408, "http_request_error", "head-timeout", "The request head took too long."}},
    {FailureKind::ReadTimeout,
     {408, "http_request_error", "read-timeout", "The request body stalled."}},
    {FailureKind::HeadTooLarge,
     {431, "http_request_error", "head-too-large", "The request head is too large."}},
    {FailureKind::UriTooLong,
     {414, "http_request_error", "uri-too-long", "The request target is too long."}},
    {FailureKind::BodyTooLarge,
     {413, "http_request_error", "body-too-large", "The request body is too large."}},
    {FailureKind::NotImplemented,
     {501, "http_request_error", "not-implemented", "The method or coding is not implemented."}},
    {FailureKind::ExpectationFailed,
     {417, "http_request_error", "expectation-failed", "The expectation cannot be met."}},
    {FailureKind::VersionNotSupported,
     {505, "http_request_error", "version-not-supported", "The HTTP version is not supported."}},
    {FailureKind::RateLimited,
     {429, "http_request_denied", "rate-limited", "This is more than the route's rate limit."}},
    {FailureKind::Overflow,
     {503, "connection_limit_reached", "overflow", "Too many requests are on their way."}},
    {FailureKind::QueueTimeout,
     {503, "connection_limit_reached", "queue-timeout", "No place became free in time."}},
    {FailureKind::Shed, {503, "connection_limit_reached", "shed", "The proxy is overloaded."}},
    {FailureKind::CircuitOpen,
     {503, "destination_unavailable", "circuit-open", "The circuit breaker is open."}},
    {FailureKind::NoHealthyUpstream,
     {503, "destination_unavailable", "no-healthy-upstream", "No endpoint is usable."}},
    {FailureKind::DnsFailure,
     {503, "dns_error", "dns-failure", "The upstream's name could not be resolved."}},
    {FailureKind::ConnectRefused,
     {502, "connection_refused", "connect-failure", "The upstream refused the connection."}},
    {FailureKind::ConnectTimeout,
     {504, "connection_timeout", "connect-failure", "Connecting to the upstream took too long."}},
    {FailureKind::Reset,
     {502, "connection_terminated", "reset", "The upstream closed before it answered."}},
    {FailureKind::BadResponse,
     {502, "http_protocol_error", "bad-response", "The upstream's response is malformed."}},
    {FailureKind::Timeout,
     {504, "http_response_timeout", "timeout", "The upstream did not answer in time."}},
    {FailureKind::Draining,
     {503, "proxy_internal_response", "draining", "This proxy is shutting down."}},
    {FailureKind::FaultInjected,
     {503, "proxy_internal_response", "fault-injected", "A fault was injected on purpose."}},
    {FailureKind::CallerGone, {499, "", "", ""}},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<std::size_t>(kTable[i].kind) != i) return false;
  }
  return true;
}
static_assert(in_order());

}  // namespace

const LocalAnswer& answer_for(FailureKind kind) {
  INVARIANT(kind < FailureKind::kCount);
  return kTable[static_cast<std::size_t>(kind)].answer;
}

FailureKind failure_of(policy::TryOutcome outcome) {
  using policy::TryOutcome;
  switch (outcome) {
    case TryOutcome::Response:
      return FailureKind::None;
    case TryOutcome::ConnectRefused:
      return FailureKind::ConnectRefused;
    case TryOutcome::ConnectTimeout:
      return FailureKind::ConnectTimeout;
    case TryOutcome::ResetBeforeRequest:
    case TryOutcome::StaleConnection:
    case TryOutcome::Reset:
      return FailureKind::Reset;
    case TryOutcome::BadResponse:
      return FailureKind::BadResponse;
    case TryOutcome::PerTryTimeout:
    case TryOutcome::RequestTimeout:
      return FailureKind::Timeout;
    case TryOutcome::Abandoned:
      return FailureKind::CallerGone;
    case TryOutcome::OutOfResources:
      return FailureKind::Overflow;
  }
  return FailureKind::Reset;
}

}  // namespace outrigger::exchange
