#include <cstdlib>

#include "proxy/commands/commands.h"
#include "proxy/daemon.h"

namespace outrigger::commands {

int run(const std::string& config_file, bool watch) {
  Daemon daemon;
  if (const auto status = daemon.start(config_file, watch)) return *status;
  const int status = daemon.run();
  if (daemon.held_up_by_resolution()) std::_Exit(status);
  return status;
}

}  // namespace outrigger::commands
