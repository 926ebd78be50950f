// The effective configuration as JSON: every key, defaults filled in.
//
// Values that came from the environment are shown as "***". Everything else reads back, JSON being
// YAML, as the same configuration.
#pragma once

#include <string>

#include "config/model.h"

namespace outrigger::config {

std::string to_json(const Config& config);

}  // namespace outrigger::config
