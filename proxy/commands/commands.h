// What the program can be told to do. Exit status: 0 fine, 1 failed at run time, 2 wrong usage or
// configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "proxy/base/time.h"

namespace outrigger::commands {

int dispatch(int argc, char** argv);

int run(const std::string& config_file, bool watch);

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

// What is asked of a running daemon through its admin server.
struct AdminOptions {
  std::string address = "127.0.0.1:9901";
  std::optional<std::string> config_file;  // address and token are taken from it
  std::optional<std::string> token_file;   // instead of the configuration's
  std::optional<Duration> timeout;         // of all that the command does; absent: its own default
  bool wait = false;                       // of drain: until the daemon has gone
};
int healthcheck(const AdminOptions& options);
int wait_ready(const AdminOptions& options);
int drain(const AdminOptions& options);
int quit(const AdminOptions& options);

}  // namespace outrigger::commands
