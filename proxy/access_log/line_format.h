// How one exchange reads in the access log: a JSON object or a line of NAME=VALUE, of the same
// names.
//
// What the configuration fixes is put into words once; what a caller sent is bounded and escaped.
// A field that has nothing to say is left out, save those that every exchange has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "config/model.h"
#include "proxy/exchange/record.h"

namespace outrigger::access_log {

// Bytes of what callers send that a line takes; of more, `truncated` says so.
inline constexpr std::size_t kMaxPath = 2048;
inline constexpr std::size_t kMaxHost = 256;
inline constexpr std::size_t kMaxRequestId = 128;
inline constexpr std::size_t kMaxMethod = 32;
inline constexpr std::size_t kMaxAddress = 128;
// No line is longer.
inline constexpr std::size_t kMaxLine = 36 * 1024;

// Milliseconds since 1970 as RFC 3339 has them, in UTC. What is the same all through a second is
// kept.
class Timestamp {
 public:
  static constexpr std::size_t kSize = sizeof("2026-01-31T18:00:00.000Z") - 1;

  char* write(char* out, std::int64_t unix_ms);

 private:
  std::int64_t second_ = INT64_MIN;
  char text_[kSize];
};

class LineFormat {
 public:
  // Of the configuration whose records it is shown.
  LineFormat(const config::AccessLog& settings, const config::Config& config);

  // The line and its end of line; `out` has room for kMaxLine. Returns its end.
  char* write(char* out, const exchange::ExchangeRecord& record, std::int64_t unix_ms);

 private:
  template <class Style>
  char* write_as(char* out, const exchange::ExchangeRecord& record, std::int64_t unix_ms);

  bool json_;
  bool query_;
  Timestamp timestamp_;
  std::vector<std::string> no_route_;   // by listener: the fields of listener and route
  std::vector<std::string> routes_;     // by route: likewise
  std::vector<std::string> upstreams_;  // names
};

}  // namespace outrigger::access_log
