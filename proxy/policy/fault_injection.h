// Failures on purpose: whether this request is one of those that a fault is for, and what may be
// asked for at run time.
//
// Which requests may be chosen (headers) is the exchange's to see. Chance and wall-clock time are
// arguments.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "config/model.h"
#include "proxy/base/random.h"
#include "proxy/base/time.h"

namespace outrigger::policy {

// What happens to one request. The delay comes first.
struct InjectedFault {
  Duration delay{};  // 0: none
  bool aborts = false;
  int status = 0;  // of an abort; 0: the connection breaks
};

// Delay and abort are drawn apart from one another.
InjectedFault draw(const config::Fault& fault, Random& random);

bool over(const config::Fault& fault, std::chrono::sys_seconds now);

// Why such a fault may not be injected at run time; empty where it may.
std::optional<std::string> refusal(const config::Fault& fault, const config::AdminFaults& allowed,
                                   std::chrono::sys_seconds now);

}  // namespace outrigger::policy
