#include "proxy/http/date.h"

#include <cstdio>

namespace outrigger::http {

std::string_view imf_fixdate(std::time_t at, char (&buffer)[30]) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  gmtime_r(&at, &utc);
  const int length = std::snprintf(
      buffer, sizeof(buffer), "%s, %02u %s %04u %02u:%02u:%02u GMT", kDays[utc.tm_wday],
      static_cast<unsigned>(utc.tm_mday) % 100, kMonths[utc.tm_mon],
      static_cast<unsigned>(utc.tm_year + 1900) % 10000, static_cast<unsigned>(utc.tm_hour) % 100,
      static_cast<unsigned>(utc.tm_min) % 100, static_cast<unsigned>(utc.tm_sec) % 100);
  return {buffer, static_cast<std::size_t>(length)};
}

}  // namespace outrigger::http
