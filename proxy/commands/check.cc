#include <cstdio>
#include <fstream>
#include <optional>

#include "config/load.h"
#include "proxy/commands/commands.h"

namespace outrigger::commands {
namespace {

constexpr int kWrongConfiguration = 2;

// NAME=value lines; empty ones and those that begin with # are passed over.
bool read_env_file(const std::string& path, config::Environment& environment) {
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "outrigger: cannot read %s\n", path.c_str());
    return false;
  }
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty() || line.front() == '#') continue;
    const auto equals = line.find('=');
    if (equals == std::string::npos || equals == 0) {
      std::fprintf(stderr, "%s:%d:1: not NAME=value\n", path.c_str(), number);
      return false;
    }
    environment[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return true;
}

}  // namespace

int check(const CheckOptions& options) {
  auto environment = config::process_environment();
  if (!options.env_file.empty() && !read_env_file(options.env_file, environment)) {
    return kWrongConfiguration;
  }
  const auto loaded = config::load_file(options.config_file, environment);
  if (!loaded) {
    std::fputs(config::to_text(options.config_file, loaded.error()).c_str(), stderr);
    return kWrongConfiguration;
  }
  std::printf("%s: fine (%zu listeners, %zu upstreams)\n", options.config_file.c_str(),
              loaded.value().listeners.size(), loaded.value().upstreams.size());
  return 0;
}

}  // namespace outrigger::commands
