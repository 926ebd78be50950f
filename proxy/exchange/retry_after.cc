#include "proxy/exchange/retry_after.h"

#include <algorithm>
#include <charconv>

#include "proxy/http/date.h"

namespace outrigger::exchange {
namespace {

constexpr std::int64_t kMost = kMaxRetryAfter / std::chrono::seconds(1);

}  // namespace

std::optional<Duration> parse_retry_after(std::string_view value, std::string_view date,
                                          std::int64_t unix_now) {
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (end == value.data() + value.size() && error != std::errc::invalid_argument) {
    const bool huge = error == std::errc::result_out_of_range;
    return std::chrono::seconds(huge ? kMost : std::min<std::int64_t>(seconds, kMost));
  }
  const auto until = http::parse_http_date(value, unix_now);
  if (!until) return std::nullopt;
  const auto left = *until - http::parse_http_date(date, unix_now).value_or(unix_now);
  return std::chrono::seconds(std::clamp<std::int64_t>(left, 0, kMost));
}

}  // namespace outrigger::exchange
