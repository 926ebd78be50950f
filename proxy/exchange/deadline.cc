#include "proxy/exchange/deadline.h"

#include <algorithm>

namespace outrigger::exchange {
namespace {

constexpr std::size_t kMaxMillisecondDigits = 10;
constexpr std::size_t kMaxGrpcDigits = 8;

std::optional<std::int64_t> digits(std::string_view text, std::size_t most) {
  if (text.empty() || text.size() > most) return std::nullopt;
  std::int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::optional<Duration> unit_of(char letter) {
  using namespace std::chrono_literals;
  switch (letter) {
    case 'H':
      return 1h;
    case 'M':
      return 1min;
    case 'S':
      return 1s;
    case 'm':
      return 1ms;
    case 'u':
      return 1us;
    case 'n':
      return 1ns;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<Duration> parse_timeout_ms(std::string_view value) {
  const auto count = digits(value, kMaxMillisecondDigits);
  if (!count) return std::nullopt;
  return std::chrono::milliseconds(*count);
}

std::optional<Duration> parse_grpc_timeout(std::string_view value) {
  if (value.empty()) return std::nullopt;
  const auto unit = unit_of(value.back());
  const auto count = digits(value.substr(0, value.size() - 1), kMaxGrpcDigits);
  if (!unit || !count) return std::nullopt;
  // 99999999H is more than a Duration holds; beyond a year nobody tells the difference.
  constexpr Duration kMost = std::chrono::hours{24 * 365};
  return *count > kMost / *unit ? kMost : *unit * *count;
}

CallerDeadline caller_deadline(const http::Headers& headers, const DeadlineHeaders& listen_to) {
  CallerDeadline deadline;
  const auto read = [&](http::Field field, auto parse) {
    if (!headers.has(field)) return;
    const auto left = parse(headers.value_of(field));
    if (!left) {
      deadline.malformed = true;
    } else {
      deadline.left = deadline.left ? std::min(*deadline.left, *left) : *left;
    }
  };
  if (listen_to.timeout_ms) read(http::Field::XRequestTimeoutMs, parse_timeout_ms);
  if (listen_to.grpc) read(http::Field::GrpcTimeout, parse_grpc_timeout);
  return deadline;
}

}  // namespace outrigger::exchange
