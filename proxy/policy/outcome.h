// The words in which policies hear of a try: what happened, whether it may have been processed,
// and what it counts as.
#pragma once

#include <cstdint>

namespace outrigger::policy {

// How a try ended, at its response head or before it.
enum class TryOutcome : std::uint8_t {
  Response,            // a response head arrived; its status says the rest
  ConnectRefused,      // refused, unreachable, no such file
  ConnectTimeout,      //
  ResetBeforeRequest,  // a fresh connection lost before the kernel took a byte
  StaleConnection,     // a reused connection closed before a byte of the response
  Reset,               // a fresh connection lost after bytes were sent
  BadResponse,         // unparsable before its head was relayed
  PerTryTimeout,       //
  RequestTimeout,      // cut by the route's own deadline
  Abandoned,           // cut by a caller's shorter deadline, by the caller leaving, or a lost hedge
  OutOfResources,      // this process had no descriptor or memory for a connection
};

// Says nothing of the upstream.
constexpr bool is_our_own_doing(TryOutcome o) {
  return o == TryOutcome::Abandoned || o == TryOutcome::OutOfResources;
}

// Whether the upstream may have acted on the request (CONFIG.md, retry).
enum class Processed : std::uint8_t { NotSent, NotProcessed, MaybeProcessed };

// What an outcome counts as for a breaker.
enum class Verdict : std::uint8_t { Success, Failure, Uncounted };

// Retry-relevant facts of one ended try.
struct TryEnd {
  TryOutcome outcome = TryOutcome::Response;
  Processed processed = Processed::MaybeProcessed;
  int status = 0;                  // for Response
  bool refused_elsewhere = false;  // the response carried x-outrigger-retry: elsewhere
  bool draining = false;           // … and comes from a proxy that is on its way out
  bool refused_for_good = false;   // … x-outrigger-retry: no
  bool endless = false;            // a tunnel or an event stream: its time says nothing
};

constexpr bool is_connect_failure(TryOutcome o) {
  return o == TryOutcome::ConnectRefused || o == TryOutcome::ConnectTimeout;
}

// No response came, by the endpoint's doing: what "local origin failure" means in Envoy's terms.
constexpr bool is_local_origin_failure(TryOutcome o) {
  return o == TryOutcome::ConnectRefused || o == TryOutcome::ConnectTimeout ||
         o == TryOutcome::ResetBeforeRequest || o == TryOutcome::Reset ||
         o == TryOutcome::BadResponse || o == TryOutcome::PerTryTimeout ||
         o == TryOutcome::RequestTimeout;
}

}  // namespace outrigger::policy
