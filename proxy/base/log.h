// The daemon's own log: to stderr, for people and machines; never on the request path.
//
// Only log.cc sees spdlog, whose headers cost seconds a unit. Text is formatted by fmt.
#pragma once

#include <fmt/core.h>

#include <string_view>

#include "proxy/base/time.h"

namespace outrigger::log {

enum class Level { Trace, Debug, Info, Warn, Error };
enum class Format { Text, Json };

// Safe from any thread. Until set, level Info as text.
void configure(Level level, Format format);
bool enabled(Level level);
void write(Level level, std::string_view text);

template <class... Args>
void debug(fmt::format_string<Args...> text, Args&&... args) {
  if (enabled(Level::Debug)) write(Level::Debug, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> text, Args&&... args) {
  if (enabled(Level::Info)) write(Level::Info, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> text, Args&&... args) {
  if (enabled(Level::Warn)) write(Level::Warn, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> text, Args&&... args) {
  write(Level::Error, fmt::format(text, std::forward<Args>(args)...));
}

// For a line that the outside could cause as often as it likes: true at most once per kEvery.
class Seldom {
 public:
  static constexpr Duration kEvery = std::chrono::seconds(10);

  bool due(TimePoint now) {
    if (now < next_) return false;
    next_ = now + kEvery;
    return true;
  }

 private:
  TimePoint next_{};
};

}  // namespace outrigger::log
