// What peers say of time: how long a caller waits, when an upstream wants to be asked again, dates.
// Nothing overflows, nothing negative comes out, and a date reads back.
#include <ctime>
#include <string>

#include "proxy/exchange/deadline.h"
#include "proxy/exchange/retry_after.h"
#include "proxy/http/date.h"
#include "tests/fuzz/fuzzing.h"

namespace outrigger::fuzz {
namespace {

constexpr std::int64_t kNow = 1'700'000'000;
constexpr std::int64_t kYear10000 = 253'402'300'800;

void deadlines(std::string_view text) {
  http::Headers headers;
  headers.add("x-request-timeout-ms", text);
  headers.add("grpc-timeout", text);
  const auto both = exchange::caller_deadline(headers, {});
  INVARIANT(both.left || both.malformed);
  INVARIANT(!both.left || *both.left >= Duration::zero());
  INVARIANT(!exchange::caller_deadline(headers, {.timeout_ms = false, .grpc = false}).left);
}

void dates(std::string_view text) {
  const auto date = http::parse_http_date(text, kNow);
  if (!date || *date >= kYear10000) return;  // a leap second reaches it, its text has no room
  char buffer[30];
  const auto written = http::imf_fixdate(static_cast<std::time_t>(*date), buffer);
  INVARIANT(http::parse_http_date(written, kNow) == date);
}

// The input's first line is the Retry-After, its second the response's date.
void retry_after(std::string_view text) {
  const auto end = text.find('\n');
  const auto date = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  const auto wait = exchange::parse_retry_after(text.substr(0, end), date, kNow);
  INVARIANT(!wait || (*wait >= Duration::zero() && *wait <= exchange::kMaxRetryAfter));
}

}  // namespace
}  // namespace outrigger::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = outrigger::fuzz::text_of(data, size);
  outrigger::fuzz::deadlines(text);
  outrigger::fuzz::dates(text);
  outrigger::fuzz::retry_after(text);
  return 0;
}
