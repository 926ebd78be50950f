// What the program can be told to do. Exit status: 0 fine, 1 failed at run time, 2 wrong usage or
// configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace outrigger::commands {

int dispatch(int argc, char** argv);

int run(const std::string& config_file);

struct CheckOptions {
  std::string config_file;
  std::string env_file;  // empty: none
  bool strict = false;
};
int check(const CheckOptions& options);

struct DemoOptions {
  int seconds = 0;  // 0: until a signal
  bool plain = false;
};
int demo(const DemoOptions& options);

struct SimulateOptions {
  std::string config_file;
  std::string scenario_file;
  std::optional<std::uint32_t> seed;  // instead of the scenario's
  bool json = false;
};
int simulate(const SimulateOptions& options);

}  // namespace outrigger::commands
