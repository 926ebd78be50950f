// A request that a route takes, made up from what the route matches.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/model.h"
#include "proxy/base/result.h"
#include "proxy/simulation/scenario.h"

namespace outrigger::simulation {

// `wanted` names the route, and what cannot be guessed. The error says what is wrong.
Result<RequestShape, std::string> shape_for(const config::Config& config, const Callers& wanted);

}  // namespace outrigger::simulation
