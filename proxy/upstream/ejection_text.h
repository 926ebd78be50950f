// Why an endpoint was ejected, in words and numbers, for the log and for /events.
#pragma once

#include <string>

#include "proxy/policy/ejection_cause.h"

namespace outrigger::upstream {

// "success-rate: 60.0 % of 300 tries succeeded, …"
std::string ejection_text(policy::Detector detector, const policy::Evidence& evidence);

}  // namespace outrigger::upstream
