// When an upstream wants to be asked again: the value of Retry-After (RFC 9110, 10.2.3).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "proxy/base/time.h"

namespace outrigger::exchange {

// Nobody waits so long; what says more says this.
inline constexpr Duration kMaxRetryAfter = std::chrono::hours(24);

// Seconds, or a date, which is taken from the response's own (`date`, its Date field) where it has
// one: two clocks need not agree then. Empty where it says neither.
std::optional<Duration> parse_retry_after(std::string_view value, std::string_view date,
                                          std::int64_t unix_now);

}  // namespace outrigger::exchange
