// Numbers as users write them: `250ms`, `64KiB`, `12.5`, and back to text.
//
// Strict on purpose: no sign, exponent, hexadecimal or leading zero, because YAML tools read
// `010` as 8 or as 10, and nobody should have to know which. The error is a hint to be shown
// after what was expected; it may be empty.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/base/result.h"

namespace outrigger::config {

using Hint = std::string;

Result<std::uint64_t, Hint> parse_whole(std::string_view text);
Result<double, Hint> parse_decimal(std::string_view text);

// A decimal number and one of ms, s, m, h, d; or a bare 0. At most kMaxDuration.
inline constexpr std::chrono::nanoseconds kMaxDuration = std::chrono::hours{24 * 365};
Result<std::chrono::nanoseconds, Hint> parse_duration(std::string_view text);

// Whole bytes, or a decimal number and one of KiB, MiB, GiB that gives whole bytes.
Result<std::uint64_t, Hint> parse_size(std::string_view text);

// A date and time as RFC 3339 writes it, in UTC or with an offset; fractions of seconds are cut.
Result<std::chrono::sys_seconds, Hint> parse_timestamp(std::string_view text);
std::string timestamp_text(std::chrono::sys_seconds time);  // in UTC

// The shortest text that parses to the same value.
std::string duration_text(std::chrono::nanoseconds duration);
std::string size_text(std::uint64_t bytes);
std::string decimal_text(double number);

}  // namespace outrigger::config
