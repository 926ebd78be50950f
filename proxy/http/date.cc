#include "proxy/http/date.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "proxy/http/tokens.h"

namespace outrigger::http {
namespace {

using namespace std::chrono;

constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// A date read from the front of its text; the first thing that does not fit spoils the whole.
class DateReader {
 public:
  explicit DateReader(std::string_view text) : rest_(text) {}

  bool whole() const { return good_ && rest_.empty(); }
  bool begins_with(std::string_view text) const { return rest_.starts_with(text); }

  bool take(std::string_view text) {
    good_ = good_ && rest_.starts_with(text);
    if (good_) rest_.remove_prefix(text.size());
    return good_;
  }

  int number(std::size_t digits) {
    good_ = good_ && rest_.size() >= digits;
    int value = 0;
    for (std::size_t i = 0; good_ && i < digits; ++i) {
      good_ = is_digit(rest_[i]);
      value = value * 10 + (rest_[i] - '0');
    }
    if (good_) rest_.remove_prefix(digits);
    return good_ ? value : 0;
  }

  // asctime's day of the month: a space for the missing digit.
  int padded_number() { return begins_with(" ") && take(" ") ? number(1) : number(2); }

  // The index of one of `names`, of which `length` characters are written.
  template <std::size_t N>
  unsigned name(const std::array<std::string_view, N>& names, std::size_t length = kWhole) {
    for (unsigned i = 0; i < N; ++i) {
      if (begins_with(names[i].substr(0, length))) {
        take(names[i].substr(0, length));
        return i;
      }
    }
    good_ = false;
    return 0;
  }

  // HH:MM:SS, in seconds of the day. 60 is a leap second.
  std::int64_t time_of_day() {
    const int hour = number(2);
    take(":");
    const int minute = number(2);
    take(":");
    const int second = number(2);
    good_ = good_ && hour < 24 && minute < 60 && second <= 60;
    return hour * 3600 + minute * 60 + second;
  }

 private:
  static constexpr std::size_t kWhole = std::string_view::npos;

  std::string_view rest_;
  bool good_ = true;
};

struct Date {
  int year = 0;
  unsigned month = 0;  // from 0
  int day = 0;
  std::int64_t time = 0;
};

std::optional<std::int64_t> unix_seconds(const Date& date) {
  const auto day = year{date.year} / static_cast<int>(date.month + 1) / date.day;
  if (!day.ok()) return std::nullopt;
  return sys_days(day).time_since_epoch().count() * std::int64_t{86400} + date.time;
}

// Sun, 06 Nov 1994 08:49:37 GMT
std::optional<std::int64_t> parse_imf_fixdate(DateReader in) {
  Date date;
  in.name(kDays, 3);
  in.take(", ");
  date.day = in.number(2);
  in.take(" ");
  date.month = in.name(kMonths);
  in.take(" ");
  date.year = in.number(4);
  in.take(" ");
  date.time = in.time_of_day();
  in.take(" GMT");
  return in.whole() ? unix_seconds(date) : std::nullopt;
}

// Sun Nov  6 08:49:37 1994
std::optional<std::int64_t> parse_asctime(DateReader in) {
  Date date;
  in.name(kDays, 3);
  in.take(" ");
  date.month = in.name(kMonths);
  in.take(" ");
  date.day = in.padded_number();
  in.take(" ");
  date.time = in.time_of_day();
  in.take(" ");
  date.year = in.number(4);
  return in.whole() ? unix_seconds(date) : std::nullopt;
}

// Sunday, 06-Nov-94 08:49:37 GMT
std::optional<std::int64_t> parse_rfc850(DateReader in, std::int64_t now) {
  Date date;
  in.name(kDays);
  in.take(", ");
  date.day = in.number(2);
  in.take("-");
  date.month = in.name(kMonths);
  in.take("-");
  const int two_digits = in.number(2);
  in.take(" ");
  date.time = in.time_of_day();
  in.take(" GMT");
  if (!in.whole()) return std::nullopt;
  const sys_seconds here{seconds{now}};
  const int latest = static_cast<int>(year_month_day{floor<days>(here)}.year()) + 50;
  date.year = latest - (latest - two_digits) % 100;
  const auto found = unix_seconds(date);
  if (!found) return std::nullopt;
  if (sys_seconds{seconds{*found}} <= here + years{50}) return found;
  date.year -= 100;
  return unix_seconds(date);
}

}  // namespace

std::string_view imf_fixdate(std::time_t at, char (&buffer)[30]) {
  std::tm utc{};
  gmtime_r(&at, &utc);
  const int length = std::snprintf(
      buffer, sizeof(buffer), "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
      kDays[static_cast<std::size_t>(utc.tm_wday)].data(), static_cast<unsigned>(utc.tm_mday) % 100,
      kMonths[static_cast<std::size_t>(utc.tm_mon)].data(),
      static_cast<unsigned>(utc.tm_year + 1900) % 10000, static_cast<unsigned>(utc.tm_hour) % 100,
      static_cast<unsigned>(utc.tm_min) % 100, static_cast<unsigned>(utc.tm_sec) % 100);
  return {buffer, static_cast<std::size_t>(length)};
}

std::optional<std::int64_t> parse_http_date(std::string_view text, std::int64_t now) {
  const auto fourth = text.substr(std::min<std::size_t>(text.size(), 3), 1);
  if (fourth == ",") return parse_imf_fixdate(DateReader(text));
  if (fourth == " ") return parse_asctime(DateReader(text));
  return parse_rfc850(DateReader(text), now);
}

}  // namespace outrigger::http
