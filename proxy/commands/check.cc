#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>

#include "config/load.h"
#include "proxy/commands/commands.h"
#include "proxy/lint/lint.h"

namespace outrigger::commands {
namespace {

constexpr int kHasWarnings = 1;
constexpr int kWrongConfiguration = 2;

bool is_name(std::string_view text) {
  static constexpr std::string_view kWhite = " \t";
  return !text.empty() && text.find_first_of(kWhite) == std::string_view::npos;
}

// NAME=value lines; empty ones and those that begin with # are passed over.
bool read_env_file(const std::string& path, config::Environment& environment) {
  static constexpr std::string_view kExport = "export ";
  std::ifstream file(path);
  // A folder can be opened, but not read.
  if (!file || (file.peek(), file.bad())) {
    std::fprintf(stderr, "%s: cannot be read: %s\n", path.c_str(), std::strerror(errno));
    return false;
  }
  file.clear();
  int number = 0;
  bool fine = true;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty() || line.front() == '#') continue;
    if (line.starts_with(kExport)) line.erase(0, kExport.size());
    const auto equals = line.find('=');
    if (equals == std::string::npos || !is_name(std::string_view(line).substr(0, equals))) {
      std::fprintf(stderr, "%s:%d:1: not NAME=value\n", path.c_str(), number);
      fine = false;
      continue;
    }
    environment[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return fine;
}

std::string counted(std::size_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

int check(const CheckOptions& options) {
  auto environment = config::process_environment();
  if (!options.env_file.empty() && !read_env_file(options.env_file, environment)) {
    return kWrongConfiguration;
  }
  config::Places places;
  const auto loaded = config::load_file(options.config_file, environment, &places);
  if (!loaded) {
    std::fputs(config::to_text(options.config_file, loaded.error()).c_str(), stderr);
    return kWrongConfiguration;
  }
  const auto warnings = lint::warnings(loaded.value(), places, lint::surroundings());
  for (const std::string& line : lint::lines(options.config_file, warnings)) {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  const std::string verdict = warnings.empty() ? "fine" : counted(warnings.size(), "warning");
  std::printf("%s: %s (%s, %s)\n", options.config_file.c_str(), verdict.c_str(),
              counted(loaded.value().listeners.size(), "listener").c_str(),
              counted(loaded.value().upstreams.size(), "upstream").c_str());
  return options.strict && !warnings.empty() ? kHasWarnings : 0;
}

}  // namespace outrigger::commands
