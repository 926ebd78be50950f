// Exchange's failures on purpose. They come before any admission, so that no breaker, bulkhead,
// budget or detector ever hears of them. A delay is part of the request's time: the deadline that
// comes first ends it.

#include "proxy/exchange/exchange.h"
#include "proxy/exchange/request_headers.h"

namespace outrigger::exchange {

// False where the request waits or has been answered.
bool Exchange::inject_fault() {
  const FaultState& faults = route_->state->faults();
  if (!faults.any()) return true;
  const auto fault = faults.current(scope_->scheduler->unix_seconds());
  if (!fault || !fault->is_for(RequestHeaders(head_.headers))) return true;
  fault_ = policy::draw(fault->settings(), *scope_->random);
  if (fault_.delay == Duration{}) return !abort_on_purpose();
  record_.fault_delayed = true;
  first_try_at_ = now();  // not the proxy's own time
  delayed_until_ = saturating_add(first_try_at_, fault_.delay);
  arm(delayed_until_);
  return false;
}

void Exchange::end_delay() {
  delayed_until_ = kNever;
  if (!abort_on_purpose() && admit()) start_try();
}

// True: it was, and the exchange is over.
bool Exchange::abort_on_purpose() {
  if (!fault_.aborts) return false;
  record_.failure = FailureKind::FaultInjected;
  if (fault_.status == 0) {
    record_.fault_abort = FaultAbort::Reset;
    record_.status = answer_for(FailureKind::CallerGone).status;  // it got none
    finish(false);
    return true;
  }
  const LocalAnswer& answer = answer_for(FailureKind::FaultInjected);
  record_.fault_abort = FaultAbort::Status;
  record_.status = fault_.status;
  record_.local_reply = true;
  head_sent_ = true;
  const bool says_when = fault_.status == 429 || fault_.status == 503;
  record_.response_bytes = caller_->send_local({.status = fault_.status,
                                                .error = answer.error,
                                                .reason = answer.reason,
                                                .body = answer.body,
                                                .retry_after_s = says_when ? 1u : 0u});
  finish(true);
  return true;
}

}  // namespace outrigger::exchange
