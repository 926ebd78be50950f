#include "proxy/policy/fault_injection.h"

#include <cstdio>

namespace outrigger::policy {
namespace {

bool chosen(double percent, Random& random) {
  return percent > 0 && random.unit() * 100 < percent;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", value);
  return text;
}

}  // namespace

InjectedFault draw(const config::Fault& fault, Random& random) {
  InjectedFault drawn;
  if (fault.delay && chosen(fault.delay->percent, random)) drawn.delay = fault.delay->duration;
  if (fault.abort && chosen(fault.abort->percent, random)) {
    drawn.aborts = true;
    drawn.status = fault.abort->status;
  }
  return drawn;
}

bool over(const config::Fault& fault, std::chrono::sys_seconds now) {
  return fault.until && now >= *fault.until;
}

std::optional<std::string> refusal(const config::Fault& fault, const config::AdminFaults& allowed,
                                   std::chrono::sys_seconds now) {
  if (!fault.delay && !fault.abort) return "it has neither delay nor abort";
  if (!fault.until) return "until is required at run time, a time such as 2026-01-31T18:00:00Z";
  if (over(fault, now)) return "until is over already";
  // In seconds: a far year is beyond what nanoseconds can count.
  if (*fault.until - now > std::chrono::floor<std::chrono::seconds>(allowed.max_duration)) {
    return "until is more than admin.faults.max_duration (" +
           number(seconds(allowed.max_duration)) + " s) ahead";
  }
  const auto beyond = [&allowed](const char* key, double percent) {
    return std::string(key) + " is " + number(percent) + ", beyond admin.faults.max_percent (" +
           number(allowed.max_percent) + ")";
  };
  if (fault.delay && fault.delay->percent > allowed.max_percent) {
    return beyond("delay.percent", fault.delay->percent);
  }
  if (fault.abort && fault.abort->percent > allowed.max_percent) {
    return beyond("abort.percent", fault.abort->percent);
  }
  return std::nullopt;
}

}  // namespace outrigger::policy
