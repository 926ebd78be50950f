#include "proxy/policy/retry_rule.h"

#include <algorithm>

namespace outrigger::policy {

using config::RetryWord;

std::string_view label(Denial denial) {
  switch (denial) {
    case Denial::Budget: return "budget";
    case Denial::MaxRetries: return "max-retries";
    case Denial::Deadline: return "deadline";
    case Denial::BodyTooLarge: return "body-too-large";
    case Denial::Method: return "method";
    case Denial::Nested: return "nested";
    case Denial::CircuitOpen: return "circuit-open";
    case Denial::Overflow: return "overflow";
    case Denial::RetryAfter: return "retry-after";
    case Denial::NoOtherEndpoint: return "no-other-endpoint";
    case Denial::None:
    case Denial::kCount: break;
  }
  return "";
}

std::string_view label(RetryReason reason) {
  switch (reason) {
    case RetryReason::ConnectFailure: return "connect-failure";
    case RetryReason::RefusedStream: return "refused-stream";
    case RetryReason::ResetBeforeRequest: return "reset-before-request";
    case RetryReason::StaleConnection: return "stale-connection";
    case RetryReason::RefusedElsewhere: return "refused-elsewhere";
    case RetryReason::Reset: return "reset";
    case RetryReason::PerTryTimeout: return "per-try-timeout";
    case RetryReason::GatewayError: return "gateway-error";
    case RetryReason::FiveXx: return "5xx";
    case RetryReason::Retriable4xx: return "retriable-4xx";
    case RetryReason::RateLimited: return "rate-limited";
    case RetryReason::Status: return "status";
    case RetryReason::kCount: break;
  }
  return "";
}

RetryRule::RetryRule(const config::Retry& settings)
    : methods_(settings.methods),
      max_retries_(settings.max_retries),
      suppress_nested_(settings.nested == config::NestedRetries::Suppress) {
  for (const RetryWord word : settings.retry_on.words) words_.set(static_cast<std::size_t>(word));
  for (const int status : settings.retry_on.statuses) {
    if (status >= 100 && status < 600) statuses_.set(static_cast<std::size_t>(status));
  }
}

bool RetryRule::repeatable(std::string_view method, bool has_idempotency_key) const {
  return has_idempotency_key || std::ranges::find(methods_, method) != methods_.end();
}

bool RetryRule::reason_for_response(const TryEnd& end, RetryReason& reason) const {
  if (end.refused_for_good) return false;
  if (end.refused_elsewhere && has(RetryWord::RefusedElsewhere)) {
    reason = RetryReason::RefusedElsewhere;
    return true;
  }
  const int status = end.status;
  const auto grant = [&reason](RetryReason why) {
    reason = why;
    return true;
  };
  if (status >= 502 && status <= 504 && has(RetryWord::GatewayError)) {
    return grant(RetryReason::GatewayError);
  }
  if (status >= 500 && has(RetryWord::FiveXx)) return grant(RetryReason::FiveXx);
  if ((status == 409 || status == 425) && has(RetryWord::Retriable4xx)) {
    return grant(RetryReason::Retriable4xx);
  }
  if (status == 429 && has(RetryWord::RateLimited)) return grant(RetryReason::RateLimited);
  if (status >= 100 && status < 600 && statuses_[static_cast<std::size_t>(status)]) {
    return grant(RetryReason::Status);
  }
  return false;
}

bool RetryRule::reason_for(const TryEnd& end, RetryReason& reason) const {
  const auto granted = [&](RetryWord word, RetryReason why) {
    reason = why;
    return has(word);
  };
  switch (end.outcome) {
    case TryOutcome::Response: return reason_for_response(end, reason);
    case TryOutcome::ConnectRefused:
    case TryOutcome::ConnectTimeout:
      return granted(RetryWord::ConnectFailure, RetryReason::ConnectFailure);
    case TryOutcome::ResetBeforeRequest:
      return granted(RetryWord::ResetBeforeRequest, RetryReason::ResetBeforeRequest);
    case TryOutcome::StaleConnection:
      return granted(RetryWord::StaleConnection, RetryReason::StaleConnection);
    case TryOutcome::Reset:
    case TryOutcome::BadResponse: return granted(RetryWord::Reset, RetryReason::Reset);
    case TryOutcome::PerTryTimeout:
      return granted(RetryWord::PerTryTimeout, RetryReason::PerTryTimeout);
    case TryOutcome::RequestTimeout:
    case TryOutcome::Abandoned: return false;
  }
  return false;
}

RetryRule::Verdict RetryRule::judge(const Question& question) const {
  RetryReason reason{};
  if (!reason_for(question.end, reason)) return {};
  const auto deny = [](Denial why) { return Verdict{.answer = Answer::No, .denial = why}; };
  const bool maybe_processed = question.end.processed == Processed::MaybeProcessed;
  if (maybe_processed && !question.repeatable) return deny(Denial::Method);
  const bool stale = question.end.outcome == TryOutcome::StaleConnection;
  const bool untouched = question.end.processed == Processed::NotSent;
  if (question.nested && suppress_nested_ && !stale && !untouched) return deny(Denial::Nested);
  if (!question.body_replayable) return deny(Denial::BodyTooLarge);
  if (stale) {
    if (question.stale_retry_done) return deny(Denial::MaxRetries);
    return {.answer = Answer::RetryStale, .reason = reason};
  }
  if (question.retries_done >= max_retries_) return deny(Denial::MaxRetries);
  return {.answer = Answer::Retry, .reason = reason};
}

}  // namespace outrigger::policy
