// Whether what happened to a try deserves another one, for this request (CONFIG.md, retry).
//
// Compiled once per route from its retry block. It knows nothing of budgets, deadlines and other
// endpoints: attempt_plan.h asks for those when this says yes.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"
#include "proxy/policy/outcome.h"

namespace outrigger::policy {

// Why a retry that the configuration has a word for was not made: retries_denied_total's cause.
enum class Denial : std::uint8_t {
  None,
  Budget,
  MaxRetries,
  Deadline,
  BodyTooLarge,
  Method,
  Nested,
  CircuitOpen,
  Overflow,
  RetryAfter,
  NoOtherEndpoint,
  kCount,
};
std::string_view label(Denial denial);

// The word of retry_on that granted a retry: retries_total's reason.
enum class RetryReason : std::uint8_t {
  ConnectFailure,
  RefusedStream,
  ResetBeforeRequest,
  StaleConnection,
  RefusedElsewhere,
  Reset,
  PerTryTimeout,
  GatewayError,
  FiveXx,
  Retriable4xx,
  RateLimited,
  Status,
  kCount,
};
std::string_view label(RetryReason reason);

class RetryRule {
 public:
  explicit RetryRule(const config::Retry& settings);

  // Of a request, once: may it be sent again after it may have been processed?
  bool repeatable(std::string_view method, bool has_idempotency_key) const;

  struct Question {
    TryEnd end;
    bool repeatable = false;
    bool nested = false;  // came with x-outrigger-attempt > 1
    int retries_done = 0;
    bool stale_retry_done = false;
    bool body_replayable = true;
  };
  enum class Answer : std::uint8_t {
    No,
    Retry,
    RetryStale,  // on a new connection, once; costs neither max_retries nor budget
  };
  struct Verdict {
    Answer answer = Answer::No;
    Denial denial = Denial::None;  // of a No: None where no word of retry_on matches
    RetryReason reason{};          // of the others
  };
  Verdict judge(const Question& question) const;

 private:
  bool has(config::RetryWord word) const { return words_[static_cast<std::size_t>(word)]; }
  bool reason_for(const TryEnd& end, RetryReason& reason) const;
  bool reason_for_response(const TryEnd& end, RetryReason& reason) const;

  std::bitset<16> words_;
  std::bitset<600> statuses_;
  std::vector<std::string> methods_;
  int max_retries_;
  bool suppress_nested_;
};

}  // namespace outrigger::policy
