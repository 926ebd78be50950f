// The manual page outrigger(1), made from the commands as their help is.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace outrigger::commands {

std::string manual(const CLI::App& app);

}  // namespace outrigger::commands
