#include "proxy/policy/retry_rule.h"

#include <optional>

#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using Answer = RetryRule::Answer;
using Word = config::RetryWord;
using Words = std::set<Word>;
using Out = TryOutcome;

const Words kEveryWord{Word::ConnectFailure,  Word::RefusedStream,    Word::ResetBeforeRequest,
                       Word::StaleConnection, Word::RefusedElsewhere, Word::Reset,
                       Word::PerTryTimeout,   Word::GatewayError,     Word::FiveXx,
                       Word::Retriable4xx,    Word::RateLimited};

RetryRule rule_of(Words words, std::set<int> statuses = {}) {
  config::Retry settings;
  settings.retry_on = {std::move(words), std::move(statuses)};
  return RetryRule(settings);
}

TryEnd failed(TryOutcome outcome, Processed processed = Processed::MaybeProcessed) {
  return {.outcome = outcome, .processed = processed};
}
TryEnd status(int code) {
  return {.status = code};
}
TryEnd elsewhere(int code) {
  return {.status = code, .refused_elsewhere = true};
}

RetryRule::Question of(const TryEnd& end) {
  return {.end = end, .repeatable = true};
}

bool retries(const RetryRule& rule, const TryEnd& end) {
  return rule.judge(of(end)).answer != Answer::No;
}

struct Row {
  TryEnd end;
  Word word;
  RetryReason reason;
  Processed processed;
};

// CONFIG.md's table: what happened, its word, its class.
const std::vector<Row> kTable{
    {failed(Out::ConnectRefused), Word::ConnectFailure, RetryReason::ConnectFailure,
     Processed::NotSent},
    {failed(Out::ConnectTimeout), Word::ConnectFailure, RetryReason::ConnectFailure,
     Processed::NotSent},
    {failed(Out::ResetBeforeRequest), Word::ResetBeforeRequest, RetryReason::ResetBeforeRequest,
     Processed::NotSent},
    {failed(Out::Reset, Processed::NotProcessed), Word::RefusedStream, RetryReason::RefusedStream,
     Processed::NotProcessed},
    {status(425), Word::Retriable4xx, RetryReason::Retriable4xx, Processed::NotProcessed},
    {status(409), Word::Retriable4xx, RetryReason::Retriable4xx, Processed::MaybeProcessed},
    {elsewhere(503), Word::RefusedElsewhere, RetryReason::RefusedElsewhere,
     Processed::NotProcessed},
    {failed(Out::StaleConnection), Word::StaleConnection, RetryReason::StaleConnection,
     Processed::MaybeProcessed},
    {failed(Out::Reset), Word::Reset, RetryReason::Reset, Processed::MaybeProcessed},
    {failed(Out::BadResponse), Word::Reset, RetryReason::Reset, Processed::MaybeProcessed},
    {failed(Out::PerTryTimeout, Processed::NotSent), Word::PerTryTimeout,
     RetryReason::PerTryTimeout, Processed::NotSent},
    {failed(Out::PerTryTimeout), Word::PerTryTimeout, RetryReason::PerTryTimeout,
     Processed::MaybeProcessed},
    {status(502), Word::GatewayError, RetryReason::GatewayError, Processed::MaybeProcessed},
    {status(503), Word::GatewayError, RetryReason::GatewayError, Processed::MaybeProcessed},
    {status(504), Word::GatewayError, RetryReason::GatewayError, Processed::MaybeProcessed},
    {status(500), Word::FiveXx, RetryReason::FiveXx, Processed::MaybeProcessed},
    {status(599), Word::FiveXx, RetryReason::FiveXx, Processed::MaybeProcessed},
    {status(429), Word::RateLimited, RetryReason::RateLimited, Processed::MaybeProcessed},
};

}  // namespace

TEST_CASE("each end of a try is retried by its own word, and by no other") {
  for (const Row& row : kTable) {
    CAPTURE(label(row.reason), row.end.status);
    const auto verdict = rule_of({row.word}).judge(of(row.end));
    CHECK(verdict.answer ==
          (row.word == Word::StaleConnection ? Answer::RetryStale : Answer::Retry));
    CHECK(verdict.reason == row.reason);
    CHECK(verdict.denial == Denial::None);

    Words others = kEveryWord;
    others.erase(row.word);
    if (row.end.status >= 500) others.erase(Word::FiveXx), others.erase(Word::GatewayError);
    const auto refused = rule_of(others).judge(of(row.end));
    CHECK(refused.answer == Answer::No);
    CHECK(refused.denial == Denial::None);
  }
}

TEST_CASE("what may have been processed is sent again only where the request is repeatable") {
  const auto rule = rule_of(kEveryWord);
  for (const Row& row : kTable) {
    CAPTURE(label(row.reason), row.end.status);
    CHECK(processed(row.end) == row.processed);
    auto question = of(row.end);
    question.repeatable = false;
    const auto verdict = rule.judge(question);
    const bool safe = row.processed != Processed::MaybeProcessed;
    CHECK(verdict.answer == (safe ? Answer::Retry : Answer::No));
    CHECK(verdict.denial == (safe ? Denial::None : Denial::Method));
  }
}

TEST_CASE("a retry of another proxy is retried only where nothing was sent, or it was stale") {
  const auto suppressing = rule_of(kEveryWord);
  config::Retry settings;
  settings.retry_on.words = kEveryWord;
  settings.nested = config::NestedRetries::Allow;
  const RetryRule allowing(settings);
  for (const Row& row : kTable) {
    CAPTURE(label(row.reason), row.end.status);
    auto question = of(row.end);
    question.nested = true;
    const bool granted =
        row.processed == Processed::NotSent || row.end.outcome == Out::StaleConnection;
    CHECK((suppressing.judge(question).answer != Answer::No) == granted);
    CHECK(suppressing.judge(question).denial == (granted ? Denial::None : Denial::Nested));
    CHECK(allowing.judge(question).answer != Answer::No);
  }
}

TEST_CASE("the default list leaves out per-try-timeout, 500, 409, 425 and 429") {
  const RetryRule rule{config::Retry{}};
  for (const TryEnd& end :
       {failed(Out::ConnectRefused), failed(Out::ResetBeforeRequest), failed(Out::Reset),
        failed(Out::Reset, Processed::NotProcessed), failed(Out::StaleConnection), elsewhere(503),
        status(502), status(503), status(504)}) {
    CHECK(retries(rule, end));
  }
  for (const TryEnd& end : {failed(Out::PerTryTimeout), status(500), status(409), status(425),
                            status(429), status(200), status(404)}) {
    CHECK_FALSE(retries(rule, end));
  }
}

TEST_CASE("an absent block retries once, and no gateway error") {
  const RetryRule rule{config::absent_retry()};
  CHECK_FALSE(retries(rule, status(503)));
  CHECK(retries(rule, elsewhere(503)));
  auto question = of(failed(Out::ConnectRefused));
  CHECK(rule.judge(question).answer == Answer::Retry);
  question.retries_done = 1;
  CHECK(rule.judge(question).denial == Denial::MaxRetries);
}

TEST_CASE("a status number matches that status of an upstream only") {
  const auto rule = rule_of({}, {404, 503, 599, 700});
  CHECK(rule.judge(of(status(404))).reason == RetryReason::Status);
  CHECK(retries(rule, status(404)));
  CHECK(retries(rule, status(599)));
  CHECK_FALSE(retries(rule, status(405)));
  CHECK_FALSE(retries(rule, status(999)));
  CHECK_FALSE(retries(rule, status(-1)));
  CHECK_FALSE(retries(rule, failed(Out::ConnectRefused)));
  CHECK_FALSE(retries(rule_of({Word::FiveXx, Word::GatewayError}), failed(Out::Reset)));
}

TEST_CASE("the reason is the narrowest word; a number only where no word fits") {
  const auto rule = rule_of({Word::FiveXx, Word::GatewayError}, {500, 503, 418});
  CHECK(rule.judge(of(status(503))).reason == RetryReason::GatewayError);
  CHECK(rule.judge(of(status(500))).reason == RetryReason::FiveXx);
  CHECK(rule.judge(of(status(418))).reason == RetryReason::Status);
}

TEST_CASE("an answer marked no is never retried") {
  const auto rule = rule_of(kEveryWord, {429, 503});
  for (const int code : {429, 503}) {
    const auto verdict = rule.judge(of({.status = code, .refused_for_good = true}));
    CHECK(verdict.answer == Answer::No);
    CHECK(verdict.denial == Denial::None);
  }
}

TEST_CASE("an answer marked elsewhere was not processed, by whatever word it is retried") {
  auto question = of(elsewhere(503));
  question.repeatable = false;
  CHECK(rule_of({Word::GatewayError}).judge(question).answer == Answer::Retry);
  CHECK(rule_of({Word::GatewayError}).judge(question).reason == RetryReason::GatewayError);
  CHECK(rule_of({Word::Reset}).judge(question).answer == Answer::No);
}

TEST_CASE("nothing is tried again after the deadline or the caller's leaving") {
  const auto rule = rule_of(kEveryWord);
  for (const auto processed :
       {Processed::NotSent, Processed::NotProcessed, Processed::MaybeProcessed}) {
    CHECK_FALSE(retries(rule, failed(Out::RequestTimeout, processed)));
    CHECK_FALSE(retries(rule, failed(Out::Abandoned, processed)));
  }
}

TEST_CASE("max_retries are tries beyond the first") {
  const int most = GENERATE(0, 1, 2, 10);
  config::Retry settings;
  settings.max_retries = most;
  const RetryRule rule(settings);
  auto question = of(status(503));
  for (question.retries_done = 0; question.retries_done < most; ++question.retries_done) {
    CHECK(rule.judge(question).answer == Answer::Retry);
  }
  CHECK(rule.judge(question).answer == Answer::No);
  CHECK(rule.judge(question).denial == Denial::MaxRetries);
}

TEST_CASE("a stale connection is retried once, whatever max_retries says") {
  config::Retry settings;
  settings.max_retries = 0;
  const RetryRule rule(settings);
  auto question = of(failed(Out::StaleConnection));
  CHECK(rule.judge(question).answer == Answer::RetryStale);
  question.stale_retry_done = true;
  CHECK(rule.judge(question).answer == Answer::No);

  // And it takes nothing from the others.
  const RetryRule ordinary{config::Retry{}};
  question = of(status(503));
  question.stale_retry_done = true;
  question.retries_done = 1;
  CHECK(ordinary.judge(question).answer == Answer::Retry);
}

TEST_CASE("a connection that was stale before the request left it is free, and safe, to retry") {
  const TryEnd end = failed(Out::StaleConnection, Processed::NotSent);
  auto question = of(end);
  question.repeatable = false;
  const auto verdict = rule_of({Word::StaleConnection}).judge(question);
  CHECK(verdict.answer == Answer::RetryStale);
  CHECK(verdict.reason == RetryReason::StaleConnection);

  // Where that word is not on the list, it is a request that did not leave.
  const auto otherwise = rule_of({Word::ResetBeforeRequest}).judge(question);
  CHECK(otherwise.answer == Answer::Retry);
  CHECK(otherwise.reason == RetryReason::ResetBeforeRequest);
  CHECK(rule_of({Word::Reset}).judge(question).answer == Answer::No);
}

TEST_CASE("a body that is not kept whole is not sent again") {
  const auto rule = rule_of(kEveryWord);
  for (const Row& row : kTable) {
    auto question = of(row.end);
    question.body_replayable = false;
    CHECK(rule.judge(question).denial == Denial::BodyTooLarge);
  }
}

TEST_CASE("of several denials the first in order is told: method, nested, body, tries") {
  config::Retry settings;
  settings.max_retries = 0;
  const RetryRule rule(settings);
  RetryRule::Question question{
      .end = status(503), .repeatable = false, .nested = true, .body_replayable = false};
  CHECK(rule.judge(question).denial == Denial::Method);
  question.repeatable = true;
  CHECK(rule.judge(question).denial == Denial::Nested);
  question.nested = false;
  CHECK(rule.judge(question).denial == Denial::BodyTooLarge);
  question.body_replayable = true;
  CHECK(rule.judge(question).denial == Denial::MaxRetries);
}

TEST_CASE("listed methods and requests with the idempotency key are repeatable") {
  config::Retry settings;
  const RetryRule rule(settings);
  for (const auto* method : {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}) {
    CHECK(rule.repeatable(method, false));
  }
  for (const auto* method : {"POST", "PATCH", "get", "GE", "GETS", ""}) {
    CHECK_FALSE(rule.repeatable(method, false));
    CHECK(rule.repeatable(method, true));
  }

  settings.idempotency_key_header.reset();  // `off`
  settings.methods = {"POST"};
  CHECK_FALSE(RetryRule(settings).repeatable("PATCH", true));
  CHECK_FALSE(RetryRule(settings).repeatable("GET", false));
  CHECK(RetryRule(settings).repeatable("POST", false));
}

TEST_CASE("labels are the contract's words") {
  CHECK(label(RetryReason::ConnectFailure) == "connect-failure");
  CHECK(label(RetryReason::RefusedStream) == "refused-stream");
  CHECK(label(RetryReason::ResetBeforeRequest) == "reset-before-request");
  CHECK(label(RetryReason::StaleConnection) == "stale-connection");
  CHECK(label(RetryReason::RefusedElsewhere) == "refused-elsewhere");
  CHECK(label(RetryReason::Reset) == "reset");
  CHECK(label(RetryReason::PerTryTimeout) == "per-try-timeout");
  CHECK(label(RetryReason::GatewayError) == "gateway-error");
  CHECK(label(RetryReason::FiveXx) == "5xx");
  CHECK(label(RetryReason::Retriable4xx) == "retriable-4xx");
  CHECK(label(RetryReason::RateLimited) == "rate-limited");
  CHECK(label(RetryReason::Status) == "status");

  CHECK(label(Denial::None).empty());
  CHECK(label(Denial::Budget) == "budget");
  CHECK(label(Denial::MaxRetries) == "max-retries");
  CHECK(label(Denial::Deadline) == "deadline");
  CHECK(label(Denial::BodyTooLarge) == "body-too-large");
  CHECK(label(Denial::Method) == "method");
  CHECK(label(Denial::Nested) == "nested");
  CHECK(label(Denial::CircuitOpen) == "circuit-open");
  CHECK(label(Denial::Overflow) == "overflow");
  CHECK(label(Denial::RetryAfter) == "retry-after");
  CHECK(label(Denial::NoOtherEndpoint) == "no-other-endpoint");
}

TEST_CASE("a retry rule judges without allocating") {
  const auto rule = rule_of(kEveryWord);
  const auto before = test::allocations();
  const bool answer = retries(rule, status(503)) && rule.repeatable("DELETE", false);
  CHECK(test::allocations() == before);
  CHECK(answer);
}

}  // namespace outrigger::policy
