#include "proxy/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <string>

namespace outrigger::log {
namespace {

spdlog::level::level_enum native(Level level) {
  switch (level) {
    case Level::Trace:
      return spdlog::level::trace;
    case Level::Debug:
      return spdlog::level::debug;
    case Level::Info:
      return spdlog::level::info;
    case Level::Warn:
      return spdlog::level::warn;
    case Level::Error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// The words of the configuration; the library's own differ. They go out as part of %v.
std::string_view word(Level level) {
  static constexpr std::array<std::string_view, 5> kWords = {"trace", "debug", "info", "warn",
                                                             "error"};
  return kWords[static_cast<std::size_t>(level)];
}

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%e%z %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z",%v})";

struct Sink {
  Sink() : logger("outrigger", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger.set_pattern(kTextPattern);
  }
  spdlog::logger logger;
  std::atomic<bool> json{false};
};

Sink& sink() {
  static Sink instance;
  return instance;
}

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

void configure(Level level, Format format) {
  sink().json = format == Format::Json;
  sink().logger.set_pattern(format == Format::Json ? kJsonPattern : kTextPattern);
  sink().logger.set_level(native(level));
}

bool enabled(Level level) {
  return sink().logger.should_log(native(level));
}

void write(Level level, std::string_view text) {
  const std::string line =
      sink().json ? fmt::format(R"("level":"{}","message":{})", word(level), json_quoted(text))
                  : fmt::format("{} {}", word(level), text);
  sink().logger.log(native(level), line);
}

}  // namespace outrigger::log
