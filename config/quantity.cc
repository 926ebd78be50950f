#include "config/quantity.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>

namespace outrigger::config {
namespace {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::size_t count_digits(std::string_view text) {
  std::size_t n = 0;
  while (n < text.size() && is_digit(text[n])) ++n;
  return n;
}

// The length of the decimal number that the text begins with; 0: none.
std::size_t number_length(std::string_view text) {
  const std::size_t whole = count_digits(text);
  if (whole == 0 || whole == text.size() || text[whole] != '.') return whole;
  const std::size_t fraction = count_digits(text.substr(whole + 1));
  return fraction == 0 ? whole : whole + 1 + fraction;
}

bool has_leading_zero(std::string_view number) {
  return number.size() > 1 && number[0] == '0' && is_digit(number[1]);
}

constexpr const char* kLeadingZero = "a leading zero is not allowed";
constexpr const char* kTooLarge = "the number is too large";
constexpr std::uint64_t kMaxSize = 9'000'000'000'000'000'000;  // in whatever unit

struct Unit {
  std::string_view name;
  std::uint64_t worth;
};

constexpr std::array kTimeUnits = {
    Unit{"ms", 1'000'000},        Unit{"s", 1'000'000'000},      Unit{"m", 60'000'000'000},
    Unit{"h", 3'600'000'000'000}, Unit{"d", 86'400'000'000'000},
};
constexpr std::array kSizeUnits = {Unit{"KiB", 1ULL << 10}, Unit{"MiB", 1ULL << 20},
                                   Unit{"GiB", 1ULL << 30}};

template <std::size_t N>
std::uint64_t worth_of(std::string_view name, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (unit.name == name) return unit.worth;
  }
  return 0;
}

long double number_of(std::string_view text) {
  long double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Days and hours only where they read better than minutes: 90s, 300s, 10m, 1h, 30d.
struct Step {
  nanoseconds unit;
  nanoseconds from;
  const char* name;
};
constexpr std::array<Step, 4> kSteps = {Step{24h, 48h, "d"}, Step{1h, 1h, "h"},
                                        Step{1min, 10min, "m"}, Step{1s, 1s, "s"}};

}  // namespace

Result<std::uint64_t, Hint> parse_whole(std::string_view text) {
  if (text.empty() || count_digits(text) != text.size()) return Hint{};
  if (has_leading_zero(text)) return Hint{kLeadingZero};
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{}) return Hint{kTooLarge};
  return value;
}

Result<double, Hint> parse_decimal(std::string_view text) {
  if (text.empty() || number_length(text) != text.size()) return Hint{};
  if (has_leading_zero(text)) return Hint{kLeadingZero};
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{}) return Hint{"the number is out of range"};
  return value;
}

Result<nanoseconds, Hint> parse_duration(std::string_view text) {
  if (text == "0") return nanoseconds{0};
  const std::size_t length = number_length(text);
  if (length == 0) return Hint{};
  if (has_leading_zero(text)) return Hint{kLeadingZero};
  if (length == text.size()) return Hint{"a number needs a unit: ms, s, m, h or d"};
  const std::uint64_t worth = worth_of(text.substr(length), kTimeUnits);
  if (worth == 0) return Hint{"the units are ms, s, m, h and d"};
  const long double value = number_of(text.substr(0, length)) * static_cast<long double>(worth);
  if (value > static_cast<long double>(kMaxDuration.count())) return Hint{"that is too long"};
  return nanoseconds{std::llround(value)};
}

Result<std::uint64_t, Hint> parse_size(std::string_view text) {
  const std::size_t length = number_length(text);
  if (length == text.size()) {
    auto bytes = parse_whole(text);
    if (bytes && bytes.value() > kMaxSize) return Hint{kTooLarge};
    return bytes;
  }
  if (length == 0) return Hint{};
  if (has_leading_zero(text)) return Hint{kLeadingZero};
  const std::uint64_t worth = worth_of(text.substr(length), kSizeUnits);
  if (worth == 0) return Hint{"the units are KiB, MiB and GiB; none means bytes"};
  const long double value = number_of(text.substr(0, length)) * static_cast<long double>(worth);
  if (value > static_cast<long double>(kMaxSize)) return Hint{kTooLarge};
  if (value != std::floor(value)) return Hint{"that is not a whole number of bytes"};
  return static_cast<std::uint64_t>(value);
}

namespace {

// `text` is exactly so many digits.
std::optional<int> digits(std::string_view text) {
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::optional<std::chrono::minutes> utc_offset(std::string_view zone) {
  if (zone == "Z") return std::chrono::minutes{0};
  if (zone.size() != 6 || zone[3] != ':' || (zone[0] != '+' && zone[0] != '-')) {
    return std::nullopt;
  }
  const auto hours = digits(zone.substr(1, 2));
  const auto minutes = digits(zone.substr(4, 2));
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const std::chrono::minutes offset{*hours * 60 + *minutes};
  return zone[0] == '+' ? offset : -offset;
}

}  // namespace

Result<std::chrono::sys_seconds, Hint> parse_timestamp(std::string_view text) {
  using namespace std::chrono;
  const Hint none;
  constexpr std::size_t kFixed = 19;  // 2026-01-31T18:00:00
  if (text.size() <= kFixed) return none;
  if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') {
    return none;
  }
  const auto y = digits(text.substr(0, 4)), m = digits(text.substr(5, 2)),
             d = digits(text.substr(8, 2)), h = digits(text.substr(11, 2)),
             min = digits(text.substr(14, 2)), s = digits(text.substr(17, 2));
  std::string_view zone = text.substr(kFixed);
  if (zone.starts_with('.')) {
    const auto end = zone.find_first_not_of("0123456789", 1);
    if (end == 1 || end == zone.npos) return none;
    zone.remove_prefix(end);
  }
  const auto offset = utc_offset(zone);
  if (!y || !m || !d || !h || !min || !s || !offset) return none;
  const year_month_day date{year{*y}, month{static_cast<unsigned>(*m)},
                            day{static_cast<unsigned>(*d)}};
  if (!date.ok() || *h > 23 || *min > 59 || *s > 60) return Hint{"there is no such time"};
  return sys_days{date} + hours{*h} + minutes{*min} + seconds{*s} - *offset;
}

std::string timestamp_text(std::chrono::sys_seconds time) {
  using namespace std::chrono;
  const auto midnight = floor<days>(time);
  const year_month_day date{midnight};
  const hh_mm_ss clock{time - midnight};
  char text[40];
  std::snprintf(text, sizeof(text), "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

std::string duration_text(nanoseconds duration) {
  if (duration == 0ns) return "0";
  for (const Step& step : kSteps) {
    if (duration >= step.from && duration % step.unit == 0ns) {
      return std::to_string(duration / step.unit) + step.name;
    }
  }
  // Not by way of a double, which has not that many digits.
  std::string fraction = std::to_string(1'000'000 + (duration % 1ms).count());
  fraction.front() = '.';
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return std::to_string(duration / 1ms) + (fraction == "." ? "" : fraction) + "ms";
}

std::string size_text(std::uint64_t bytes) {
  if (bytes == 0) return "0";
  for (std::size_t i = kSizeUnits.size(); i-- > 0;) {
    const Unit& unit = kSizeUnits[i];
    if (bytes % unit.worth == 0) return std::to_string(bytes / unit.worth) + std::string{unit.name};
  }
  return std::to_string(bytes);
}

std::string decimal_text(double number) {
  std::array<char, 400> text;  // also the smallest, 0.000… with over 300 zeros, fits
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  return {text.data(), end.ptr};
}

}  // namespace outrigger::config
