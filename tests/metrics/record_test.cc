#include "proxy/exchange/record.h"

#include <string>
#include <vector>

#include "tests/support/catch.h"

// The words of the metrics' labels are made in proxy/exchange/record.cc.
namespace outrigger::exchange {
namespace {

using policy::TryEnd;
using policy::TryOutcome;

AttemptOutcome of(const TryEnd& end) {
  TryRecord attempt{.ended = true};
  attempt.end = end;
  return attempt_outcome(attempt);
}

AttemptOutcome of_status(int status) {
  return of({.outcome = TryOutcome::Response, .status = status});
}

template <class Enum>
std::vector<std::string> labels(std::size_t first = 0) {
  std::vector<std::string> all;
  for (std::size_t i = first; i < static_cast<std::size_t>(Enum::kCount); ++i) {
    all.emplace_back(label(static_cast<Enum>(i)));
  }
  return all;
}

TEST_CASE("a response is judged by its status") {
  for (const int status : {101, 200, 204, 302, 399}) {
    CAPTURE(status);
    CHECK(of_status(status) == AttemptOutcome::Success);
  }
  for (const int status : {400, 404, 428, 430, 499}) {
    CAPTURE(status);
    CHECK(of_status(status) == AttemptOutcome::FourXx);
  }
  CHECK(of_status(429) == AttemptOutcome::RateLimited);
  for (const int status : {500, 503, 599}) {
    CAPTURE(status);
    CHECK(of_status(status) == AttemptOutcome::FiveXx);
  }
}

TEST_CASE("a response that the other proxy marked is refused, whatever its status") {
  for (const int status : {200, 429, 503}) {
    CAPTURE(status);
    CHECK(of({.status = status, .refused_elsewhere = true}) == AttemptOutcome::Refused);
    CHECK(of({.status = status, .refused_for_good = true}) == AttemptOutcome::Refused);
  }
}

TEST_CASE("a try without a response is judged by how it ended") {
  const std::pair<TryOutcome, AttemptOutcome> rows[] = {
      {TryOutcome::ConnectRefused, AttemptOutcome::ConnectFailure},
      {TryOutcome::ConnectTimeout, AttemptOutcome::ConnectFailure},
      {TryOutcome::ResetBeforeRequest, AttemptOutcome::Reset},
      {TryOutcome::StaleConnection, AttemptOutcome::Reset},
      {TryOutcome::Reset, AttemptOutcome::Reset},
      {TryOutcome::BadResponse, AttemptOutcome::BadResponse},
      {TryOutcome::PerTryTimeout, AttemptOutcome::Timeout},
      {TryOutcome::RequestTimeout, AttemptOutcome::Timeout},
      {TryOutcome::Abandoned, AttemptOutcome::Cancelled},
  };
  for (const auto& [outcome, expected] : rows) {
    CAPTURE(static_cast<int>(outcome));
    CHECK(of({.outcome = outcome, .status = 200}) == expected);
  }
}

TEST_CASE("a try that has not ended was cancelled") {
  CHECK(attempt_outcome(TryRecord{.ended = false}) == AttemptOutcome::Cancelled);
}

TEST_CASE("labels are the contract's words, in hyphens") {
  CHECK(labels<AttemptOutcome>() == std::vector<std::string>{"success", "4xx", "rate-limited",
                                                             "5xx", "refused", "connect-failure",
                                                             "reset", "timeout", "bad-response",
                                                             "cancelled"});
  CHECK(labels<TimeoutKind>(1) == std::vector<std::string>{"request", "per-try", "idle", "connect",
                                                           "head", "keepalive", "read", "write",
                                                           "tunnel-idle"});
  CHECK(labels<LimitKind>(1) ==  // keys as the user writes them
        std::vector<std::string>{"max_connections", "max_requests", "max_pending",
                                 "pending_timeout", "route.max_requests", "adaptive_concurrency",
                                 "route.adaptive_concurrency", "overload.max_buffered_bytes",
                                 "max_requests_per_endpoint", "max_connections_per_endpoint",
                                 "system"});
  CHECK(label(TryKind::First) == "first");
  CHECK(label(TryKind::Retry) == "retry");
  CHECK(label(TryKind::Hedge) == "hedge");
}

}  // namespace
}  // namespace outrigger::exchange
