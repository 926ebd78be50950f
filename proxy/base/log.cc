#include "proxy/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

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

struct Sink {
  Sink() : logger("outrigger", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger.set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
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
  sink().logger.set_pattern(format == Format::Json
                                ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":%v})"
                                : "%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  sink().logger.set_level(native(level));
}

bool enabled(Level level) {
  return sink().logger.should_log(native(level));
}

void write(Level level, std::string_view text) {
  if (sink().json) {
    sink().logger.log(native(level), json_quoted(text));
  } else {
    sink().logger.log(native(level), spdlog::string_view_t(text.data(), text.size()));
  }
}

}  // namespace outrigger::log
