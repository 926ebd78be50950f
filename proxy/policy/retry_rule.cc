#include "proxy/policy/retry_rule.h"

#include <algorithm>

namespace outrigger::policy {
namespace {

constexpr int kConflict = 409;
constexpr int kTooManyRequests = 429;

RetryReason reason_of(config::RetryWord word) {
  switch (word) {
    case config::RetryWord::ConnectFailure:
      return RetryReason::ConnectFailure;
    case config::RetryWord::RefusedStream:
      return RetryReason::RefusedStream;
    case config::RetryWord::ResetBeforeRequest:
      return RetryReason::ResetBeforeRequest;
    case config::RetryWord::StaleConnection:
      return RetryReason::StaleConnection;
    case config::RetryWord::RefusedElsewhere:
      return RetryReason::RefusedElsewhere;
    case config::RetryWord::Reset:
      return RetryReason::Reset;
    case config::RetryWord::PerTryTimeout:
      return RetryReason::PerTryTimeout;
    case config::RetryWord::GatewayError:
      return RetryReason::GatewayError;
    case config::RetryWord::FiveXx:
      return RetryReason::FiveXx;
    case config::RetryWord::Retriable4xx:
      return RetryReason::Retriable4xx;
    case config::RetryWord::RateLimited:
      return RetryReason::RateLimited;
  }
  return RetryReason::Status;
}

bool is_gateway_error(int status) {
  return status >= 502 && status <= 504;
}
bool is_5xx(int status) {
  return status >= 500 && status <= 599;
}
bool is_retriable_4xx(int status) {
  return status == kConflict || status == kTooEarly;
}

}  // namespace

Processed processed(const TryEnd& end) {
  switch (end.outcome) {
    case TryOutcome::ConnectRefused:
    case TryOutcome::ConnectTimeout:
    case TryOutcome::ResetBeforeRequest:
    case TryOutcome::OutOfResources:
      return Processed::NotSent;
    case TryOutcome::Response:
      return end.refused_elsewhere || end.status == kTooEarly ? Processed::NotProcessed
                                                              : Processed::MaybeProcessed;
    case TryOutcome::BadResponse:
      return Processed::MaybeProcessed;
    case TryOutcome::StaleConnection:  // NotSent: it closed before the request left
    case TryOutcome::Reset:            // NotProcessed: a refused stream
    case TryOutcome::PerTryTimeout:    // NotSent: it was still connecting
    case TryOutcome::RequestTimeout:
    case TryOutcome::Abandoned:
      return end.processed;
  }
  return Processed::MaybeProcessed;
}

RetryRule::RetryRule(const config::Retry& settings)
    : methods_(settings.methods),
      key_header_(settings.idempotency_key_header),
      suppress_nested_(settings.nested == config::NestedRetries::Suppress),
      max_retries_(settings.max_retries) {
  for (const auto word : settings.retry_on.words) {
    words_.set(static_cast<std::size_t>(reason_of(word)));
  }
  for (const int status : settings.retry_on.statuses) {
    const auto index = static_cast<std::size_t>(status);
    if (index < kStatuses) statuses_.set(index);
  }
}

bool RetryRule::repeatable(std::string_view method, bool has_idempotency_key) const {
  return (key_header_ && has_idempotency_key) ||
         std::ranges::find(methods_, method) != methods_.end();
}

RetryRule::Match RetryRule::match(const TryEnd& end) const {
  const auto word = [this](RetryReason reason) { return Match{names(reason), reason}; };
  switch (end.outcome) {
    case TryOutcome::ConnectRefused:
    case TryOutcome::ConnectTimeout:
    case TryOutcome::OutOfResources:  // another endpoint may have an idle connection
      return word(RetryReason::ConnectFailure);
    case TryOutcome::ResetBeforeRequest:
      return word(RetryReason::ResetBeforeRequest);
    case TryOutcome::StaleConnection:
      return word(end.processed == Processed::NotSent && !names(RetryReason::StaleConnection)
                      ? RetryReason::ResetBeforeRequest
                      : RetryReason::StaleConnection);
    case TryOutcome::Reset:
      return word(end.processed == Processed::NotProcessed ? RetryReason::RefusedStream
                                                           : RetryReason::Reset);
    case TryOutcome::BadResponse:
      return word(RetryReason::Reset);
    case TryOutcome::PerTryTimeout:
      return word(RetryReason::PerTryTimeout);
    case TryOutcome::Response:
      if (end.refused_for_good) return {};
      if (end.refused_elsewhere && names(RetryReason::RefusedElsewhere)) {
        return word(RetryReason::RefusedElsewhere);
      }
      return match_status(end.status);
    case TryOutcome::RequestTimeout:
    case TryOutcome::Abandoned:
      break;
  }
  return {};
}

// The narrowest word that names it; the number where no word does.
RetryRule::Match RetryRule::match_status(int status) const {
  const auto named = [this](RetryReason reason, bool fits) { return fits && names(reason); };
  if (named(RetryReason::GatewayError, is_gateway_error(status))) {
    return {true, RetryReason::GatewayError};
  }
  if (named(RetryReason::Retriable4xx, is_retriable_4xx(status))) {
    return {true, RetryReason::Retriable4xx};
  }
  if (named(RetryReason::RateLimited, status == kTooManyRequests)) {
    return {true, RetryReason::RateLimited};
  }
  if (named(RetryReason::FiveXx, is_5xx(status))) return {true, RetryReason::FiveXx};
  const auto index = static_cast<std::size_t>(status);
  return {index < kStatuses && statuses_[index], RetryReason::Status};
}

Denial RetryRule::denial(const Question& question, RetryReason reason) const {
  const bool stale = reason == RetryReason::StaleConnection;
  const auto class_of_it = processed(question.end);
  if (class_of_it == Processed::MaybeProcessed && !question.repeatable) return Denial::Method;
  if (question.nested && suppress_nested_ && !stale && class_of_it != Processed::NotSent) {
    return Denial::Nested;
  }
  if (!question.body_replayable) return Denial::BodyTooLarge;
  const bool spent = stale ? question.stale_retry_done : question.retries_done >= max_retries_;
  return spent ? Denial::MaxRetries : Denial::None;
}

RetryRule::Verdict RetryRule::judge(const Question& question) const {
  const auto [named, reason] = match(question.end);
  if (!named) return {};
  const auto denied = denial(question, reason);
  if (denied != Denial::None) return {Answer::No, denied, reason};
  const bool stale = reason == RetryReason::StaleConnection;
  return {stale ? Answer::RetryStale : Answer::Retry, Denial::None, reason};
}

std::string_view label(RetryReason reason) {
  static constexpr std::array<std::string_view, kRetryReasons> kLabels{
      "connect-failure",  "refused-stream",    "reset-before-request",
      "stale-connection", "refused-elsewhere", "reset",
      "per-try-timeout",  "gateway-error",     "5xx",
      "retriable-4xx",    "rate-limited",      "status"};
  return kLabels[static_cast<std::size_t>(reason)];
}

std::string_view label(Denial denial) {
  static constexpr std::array<std::string_view, kDenials> kLabels{
      "",       "budget",       "max-retries", "deadline",    "body-too-large",   "method",
      "nested", "circuit-open", "overflow",    "retry-after", "no-other-endpoint"};
  return kLabels[static_cast<std::size_t>(denial)];
}

}  // namespace outrigger::policy
