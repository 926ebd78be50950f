#include "proxy/commands/commands.h"
#include "proxy/daemon.h"

namespace outrigger::commands {

int run(const std::string& config_file) {
  Daemon daemon;
  if (const auto status = daemon.start(config_file)) return *status;
  return daemon.run();
}

}  // namespace outrigger::commands
