#include "proxy/exchange/retry_after.h"

#include "tests/support/catch.h"

namespace outrigger::exchange {
namespace {

using namespace std::chrono_literals;

constexpr const char* kDate = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr std::int64_t kThen = 784111777;  // the same

TEST_CASE("Retry-After is in seconds, up to a day") {
  CHECK(parse_retry_after("0", "", kThen) == Duration{});
  CHECK(parse_retry_after("120", kDate, kThen) == 120s);
  CHECK(parse_retry_after("86401", "", kThen) == kMaxRetryAfter);
  CHECK(parse_retry_after("99999999999999999999", "", kThen) == kMaxRetryAfter);
  for (const char* wrong : {"", "-1", "1.5", "1s", " 1", "soon"}) {
    INFO(wrong);
    CHECK_FALSE(parse_retry_after(wrong, "", kThen));
  }
}

TEST_CASE("a date in Retry-After counts from the response's own date, else from now") {
  CHECK(parse_retry_after(kDate, "Sun, 06 Nov 1994 08:49:07 GMT", 0) == 30s);
  CHECK(parse_retry_after(kDate, "", kThen - 5) == 5s);
  CHECK(parse_retry_after(kDate, "nonsense", kThen - 5) == 5s);
  CHECK(parse_retry_after(kDate, "", kThen + 5) == Duration{});
  CHECK(parse_retry_after(kDate, "Mon, 01 Jan 0001 00:00:00 GMT", kThen) == kMaxRetryAfter);
}

}  // namespace
}  // namespace outrigger::exchange
