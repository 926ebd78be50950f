#include "config/warnings.h"

namespace outrigger::config {

std::string warnings_reference() {
  std::string text = "| warning | meaning | as a rule |\n|---|---|---|\n";
  for (const WarningKind& kind : kWarnings) {
    text += "| `" + std::string{kind.name} + "` | " + std::string{kind.meaning} + " | " +
            std::string{kind.advice} + " |\n";
  }
  return text + "\n";
}

}  // namespace outrigger::config
