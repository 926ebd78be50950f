#include "proxy/exchange/record.h"

namespace outrigger::exchange {

using policy::TryOutcome;

std::string_view label(TimeoutKind kind) {
  switch (kind) {
    case TimeoutKind::Request:
      return "request";
    case TimeoutKind::PerTry:
      return "per-try";
    case TimeoutKind::Idle:
      return "idle";
    case TimeoutKind::Connect:
      return "connect";
    case TimeoutKind::Head:
      return "head";
    case TimeoutKind::Keepalive:
      return "keepalive";
    case TimeoutKind::Read:
      return "read";
    case TimeoutKind::Write:
      return "write";
    case TimeoutKind::TunnelIdle:
      return "tunnel-idle";
    case TimeoutKind::None:
    case TimeoutKind::kCount:
      break;
  }
  return "";
}

std::string_view label(LimitKind limit) {
  switch (limit) {
    case LimitKind::MaxConnections:
      return "max_connections";
    case LimitKind::MaxRequests:
      return "max_requests";
    case LimitKind::MaxPending:
      return "max_pending";
    case LimitKind::PendingTimeout:
      return "pending_timeout";
    case LimitKind::RouteMaxRequests:
      return "route.max_requests";
    case LimitKind::AdaptiveConcurrency:
      return "adaptive_concurrency";
    case LimitKind::RouteAdaptiveConcurrency:
      return "route.adaptive_concurrency";
    case LimitKind::MaxBufferedBytes:
      return "overload.max_buffered_bytes";
    case LimitKind::MaxRequestsPerEndpoint:
      return "max_requests_per_endpoint";
    case LimitKind::MaxConnectionsPerEndpoint:
      return "max_connections_per_endpoint";
    case LimitKind::System:
      return "system";
    case LimitKind::None:
    case LimitKind::kCount:
      break;
  }
  return "";
}

std::string_view label(TryKind kind) {
  switch (kind) {
    case TryKind::First:
      return "first";
    case TryKind::Retry:
      return "retry";
    case TryKind::Hedge:
      return "hedge";
  }
  return "";
}

std::string_view label(MirrorDrop drop) {
  switch (drop) {
    case MirrorDrop::BodyTooLarge:
      return "body-too-large";
    case MirrorDrop::TooMany:
      return "too-many";
    case MirrorDrop::Refused:
      return "refused";
    case MirrorDrop::None:
    case MirrorDrop::kCount:
      break;
  }
  return "";
}

AttemptOutcome attempt_outcome(const TryRecord& attempt) {
  return attempt.ended ? attempt_outcome(attempt.end) : AttemptOutcome::Cancelled;
}

AttemptOutcome attempt_outcome(const policy::TryEnd& end) {
  switch (end.outcome) {
    case TryOutcome::Response:
      break;
    case TryOutcome::ConnectRefused:
    case TryOutcome::ConnectTimeout:
      return AttemptOutcome::ConnectFailure;
    case TryOutcome::ResetBeforeRequest:
    case TryOutcome::StaleConnection:
    case TryOutcome::Reset:
      return AttemptOutcome::Reset;
    case TryOutcome::BadResponse:
      return AttemptOutcome::BadResponse;
    case TryOutcome::PerTryTimeout:
    case TryOutcome::RequestTimeout:
      return AttemptOutcome::Timeout;
    case TryOutcome::Abandoned:
    case TryOutcome::OutOfResources:
      return AttemptOutcome::Cancelled;
  }
  if (end.refused_elsewhere || end.refused_for_good) return AttemptOutcome::Refused;
  if (end.status == 429) return AttemptOutcome::RateLimited;
  if (end.status >= 500) return AttemptOutcome::FiveXx;
  if (end.status >= 400) return AttemptOutcome::FourXx;
  return AttemptOutcome::Success;
}

std::string_view label(AttemptOutcome outcome) {
  switch (outcome) {
    case AttemptOutcome::Success:
      return "success";
    case AttemptOutcome::FourXx:
      return "4xx";
    case AttemptOutcome::RateLimited:
      return "rate-limited";
    case AttemptOutcome::FiveXx:
      return "5xx";
    case AttemptOutcome::Refused:
      return "refused";
    case AttemptOutcome::ConnectFailure:
      return "connect-failure";
    case AttemptOutcome::Reset:
      return "reset";
    case AttemptOutcome::Timeout:
      return "timeout";
    case AttemptOutcome::BadResponse:
      return "bad-response";
    case AttemptOutcome::Cancelled:
      return "cancelled";
    case AttemptOutcome::kCount:
      break;
  }
  return "";
}

}  // namespace outrigger::exchange
