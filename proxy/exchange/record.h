// All that is known of one exchange when it ends. Metrics and access log are written from this and
// from nowhere else; the request path counts nothing itself.
//
// Plain and fixed in size, so that filling it allocates nothing. Views live during the call of
// the observer only.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "proxy/base/time.h"
#include "proxy/exchange/failure.h"
#include "proxy/policy/outcome.h"
#include "proxy/policy/retry_rule.h"

namespace outrigger::exchange {

inline constexpr std::uint32_t kNoIndex = UINT32_MAX;

enum class TryKind : std::uint8_t { First, Retry, Hedge };

// One try, in the order of their starts.
struct TryRecord {
  TryKind kind = TryKind::First;
  bool reached_endpoint = false;  // false: refused or gone while waiting for its place
  bool relayed = false;           // its response went to the caller
  bool ended = false;
  policy::TryEnd end;                 // where it has ended
  std::uint32_t upstream = kNoIndex;  // a fallback's; kNoIndex: the record's
  std::uint32_t endpoint = kNoIndex;  // the upstream's slot
  std::uint16_t address_begin = 0;    // of the endpoint's, in the record's `addresses`
  std::uint16_t address_end = 0;
  Duration waited{};  // in the pending queue
  Duration took{};    // start → head or failure; 0 where not reached
};

enum class TimeoutKind : std::uint8_t {
  None,
  Request,
  PerTry,
  Idle,
  Connect,
  Head,
  Keepalive,
  Read,
  Write,
  TunnelIdle,
  kCount
};
// How a fault ended an exchange on purpose.
enum class FaultAbort : std::uint8_t { None, Status, Reset };
enum class AbortSide : std::uint8_t { None, Upstream, Downstream };
// Which bound was hit, where the failure is Overflow or QueueTimeout.
enum class LimitKind : std::uint8_t {
  None,
  MaxConnections,
  MaxRequests,
  MaxPending,
  PendingTimeout,
  RouteMaxRequests,
  AdaptiveConcurrency,
  RouteAdaptiveConcurrency,
  MaxBufferedBytes,
  MaxRequestsPerEndpoint,
  MaxConnectionsPerEndpoint,
  System,  // the operating system gave no descriptor or memory
  kCount
};

// Whose circuit breaker was open, where the failure is CircuitOpen.
enum class BreakerScope : std::uint8_t { None, Route, Upstream };

std::string_view label(TimeoutKind kind);
std::string_view label(LimitKind limit);
std::string_view label(TryKind kind);

// `outcome` label of upstream_attempts_total: success, 4xx, rate-limited, 5xx, refused,
// connect-failure, reset, timeout, bad-response, cancelled.
enum class AttemptOutcome : std::uint8_t {
  Success,
  FourXx,
  RateLimited,
  FiveXx,
  Refused,
  ConnectFailure,
  Reset,
  Timeout,
  BadResponse,
  Cancelled,
  kCount
};
AttemptOutcome attempt_outcome(const policy::TryEnd& end);
AttemptOutcome attempt_outcome(const TryRecord& attempt);
std::string_view label(AttemptOutcome outcome);

// First + 10 retries + one stale-connection retry + 3 hedges + a fallback's.
inline constexpr std::size_t kMaxTries = 16;

struct ExchangeRecord {
  // Which configuration object: indices into the metrics' handles, resolved at configuration time.
  std::uint32_t listener = kNoIndex;  // index into the snapshot's listeners
  std::uint32_t route = kNoIndex;     // the snapshot-wide route index; kNoIndex: no route
  std::uint32_t upstream = kNoIndex;  // index into the snapshot's upstreams
  std::uint32_t fallback = kNoIndex;  // the fallback's upstream, where that was asked

  TimePoint began{};         // the head was complete
  Duration duration{};       // until the last byte of the response, or the end
  Duration upstream_time{};  // tries + queue + backoff, as the caller waited for them
  int status = 0;            // what the caller saw; 499 where it left before the head
  FailureKind failure = FailureKind::None;  // of the local answer or abort
  bool local_reply = false;
  bool fell_back = false;      // to `fallback`, or its fixed answer
  bool fault_delayed = false;  // on purpose
  FaultAbort fault_abort = FaultAbort::None;
  bool deadline_malformed = false;  // a deadline header that says nothing
  bool upgraded = false;
  AbortSide aborted =
      AbortSide::None;  // a response whose head had gone out and that did not end well
  TimeoutKind timeout = TimeoutKind::None;
  LimitKind limit = LimitKind::None;
  BreakerScope breaker = BreakerScope::None;
  policy::Denial retry_denied = policy::Denial::None;

  std::uint32_t per_try_timeouts = 0;
  std::uint32_t connect_timeouts = 0;
  std::uint8_t try_count = 0;

  std::uint64_t request_bytes = 0;   // body, from the caller
  std::uint64_t response_bytes = 0;  // body, to the caller
  std::string_view method, host, path, request_id;
  std::string_view target;           // the path with its query
  std::string_view fallback_reason;  // why it fell back, as Proxy-Status has it

  // Only where Scope::detailed.
  std::string_view trace_id;   // of the caller's traceparent; empty: none, or not a valid one
  std::string_view addresses;  // of the endpoints tried, one after the other
  std::string_view caller_address;

  std::array<TryRecord, kMaxTries> tries;
  std::array<policy::RetryReason, kMaxTries> retry_reasons{};  // of tries[i] where it is a retry

  std::string_view address_of(const TryRecord& attempt) const {
    return addresses.substr(attempt.address_begin, attempt.address_end - attempt.address_begin);
  }
};

// Why a copy for a route's mirror was not sent.
enum class MirrorDrop : std::uint8_t {
  None,
  BodyTooLarge,
  TooMany,  // on their way
  Refused,  // by the mirror's upstream
  kCount
};
std::string_view label(MirrorDrop drop);

// All that is known of one copy for a mirror when it ends.
struct MirrorRecord {
  std::uint32_t route = kNoIndex;
  std::uint32_t upstream = kNoIndex;  // the mirror's
  MirrorDrop dropped = MirrorDrop::None;
  LimitKind limit = LimitKind::None;
  TryRecord attempt;  // where it was sent
};

// Told once of every exchange, when it ends. Shall be quick: it runs on the request path's thread.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_exchange_begun(std::uint32_t listener, std::uint32_t route) = 0;
  virtual void on_exchange(const ExchangeRecord& record) = 0;
  virtual void on_mirror(const MirrorRecord&) {}
};

}  // namespace outrigger::exchange
