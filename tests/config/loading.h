// Short ways to load a text, and to say what is wrong with it.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "config/load.h"

namespace outrigger::config {

inline std::string errors_of(std::string_view text, const Environment& environment = {}) {
  const auto loaded = load_text(text, "f.yaml", environment);
  return loaded ? "" : to_text("f.yaml", loaded.error());
}

// The configuration, or a failure of the test that shows the report.
inline Config loaded(std::string_view text, const Environment& environment = {}) {
  auto result = load_text(text, "f.yaml", environment);
  if (!result) throw std::runtime_error("does not load:\n" + to_text("f.yaml", result.error()));
  return std::move(result.value());
}

// The rest of a file about one route: `keys` are lines of the route, indented by six.
inline std::string with_route(const std::string& keys) {
  return "upstreams: {app: {endpoints: ['127.0.0.1:1']}}\n"
         "listeners:\n"
         "  - address: 127.0.0.1:8080\n"
         "    routes:\n"
         "    - upstream: app\n" +
         keys;
}

// The same of one upstream: `keys` are lines of it, indented by four.
inline std::string with_upstream(const std::string& keys) {
  return "listeners: [{address: '127.0.0.1:8080', routes: [{upstream: app}]}]\n"
         "upstreams:\n"
         "  app:\n"
         "    endpoints: ['127.0.0.1:1']\n" +
         keys;
}

// And of the top level.
inline std::string with_top(const std::string& keys) {
  return "listeners: [{address: '127.0.0.1:8080', routes: [{upstream: app}]}]\n"
         "upstreams: {app: {endpoints: ['127.0.0.1:1']}}\n" +
         keys;
}

inline std::filesystem::path source_folder() {
  return std::filesystem::path{OUTRIGGER_SOURCE_DIR} / "config";
}

inline std::string content_of(const std::filesystem::path& path) {
  std::ifstream file{path};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace outrigger::config
