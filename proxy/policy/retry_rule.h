// Whether the way a try ended deserves another one, by the route's `retry` block.
//
// Two questions: is what happened named in retry_on, and may this request be sent again, given
// whether the upstream may have acted on it? Compiled once per route, so that asking compares no
// words. Whether a retry can be afforded (budget, time, breaker, endpoints) is the plan's to ask.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"
#include "proxy/policy/outcome.h"

namespace outrigger::policy {

// Why there was a retry: the word of retry_on that it matched; Status for a number.
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
};
inline constexpr std::size_t kRetryReasons = 12;

// Why there was none although retry_on named what happened. The later ones are the plan's.
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
};
inline constexpr std::size_t kDenials = 11;

inline constexpr int kTooEarly = 425;

// As the metrics name them; empty for Denial::None.
std::string_view label(RetryReason reason);
std::string_view label(Denial denial);

// Whether the upstream may have acted on a request whose try ended so.
Processed processed(const TryEnd& end);

class RetryRule {
 public:
  explicit RetryRule(const config::Retry& settings);

  // Asked once of a request: it may be sent again after it may have been processed.
  bool repeatable(std::string_view method, bool has_idempotency_key) const;
  const std::optional<std::string>& idempotency_key_header() const { return key_header_; }

  // A request that was sent, and that its endpoint says it did not process, may be tried again at
  // that same endpoint: 425. (A refusal `elsewhere` asks for another one.)
  bool repeats_at_same_endpoint() const { return match_status(kTooEarly).named; }
  // A repeatable one is tried again, free of charge, where its connection proves stale.
  bool forgives_stale_connections() const { return names(RetryReason::StaleConnection); }

  // A request that is itself a retry of the proxy before may be tried again all the same.
  bool allows_nested() const { return !suppress_nested_; }

  enum class Answer : std::uint8_t {
    Retry,
    RetryStale,  // on a new connection, once; costs neither max_retries nor budget
    No,
  };
  struct Question {
    TryEnd end;
    bool repeatable = false;  // as repeatable() said
    bool nested = false;      // it came with x-outrigger-attempt > 1
    int retries_done = 0;     // without stale ones
    bool stale_retry_done = false;
    bool body_replayable = true;  // all that was sent of its body is still there
  };
  struct Verdict {
    Answer answer = Answer::No;
    Denial denial = Denial::None;  // of a No
    RetryReason reason{};          // meaningless where retry_on does not name it
  };
  Verdict judge(const Question& question) const;

 private:
  struct Match {
    bool named = false;
    RetryReason reason{};
  };
  Match match(const TryEnd& end) const;
  Match match_status(int status) const;
  Denial denial(const Question& question, RetryReason reason) const;
  bool names(RetryReason word) const { return words_[static_cast<std::size_t>(word)]; }

  static constexpr std::size_t kStatuses = 600;

  std::bitset<kRetryReasons> words_;
  std::bitset<kStatuses> statuses_;
  std::vector<std::string> methods_;
  std::optional<std::string> key_header_;
  bool suppress_nested_;
  int max_retries_;
};

}  // namespace outrigger::policy
