#include "proxy/upstream/ejection_text.h"

#include <fmt/core.h>

namespace outrigger::upstream {
namespace {

using policy::Detector;

std::string numbers(Detector detector, const policy::Evidence& evidence) {
  switch (detector) {
    case Detector::ConsecutiveLocalOriginFailures:
    case Detector::ConsecutiveGatewayErrors:
    case Detector::Consecutive5xx:
      return fmt::format("{:.0f} in a row", evidence.own);
    case Detector::SuccessRate:
      return fmt::format(
          "{:.1f} % of {} tries succeeded, of the others' {:.1f} % with a standard deviation of "
          "{:.1f}, so that the bound was {:.1f} %",
          evidence.own, evidence.tries, evidence.others, evidence.deviation, evidence.bound);
    case Detector::FailurePercentage:
      return fmt::format("{:.1f} % of {} tries failed, the bound was {:.1f} %", evidence.own,
                         evidence.tries, evidence.bound);
    case Detector::Latency:
      return fmt::format(
          "the p95 of {} tries was {:.1f} ms, the others' median {:.1f} ms, so that the bound was "
          "{:.1f} ms",
          evidence.tries, evidence.own * 1000, evidence.others * 1000, evidence.bound * 1000);
    case Detector::Probation:
      return "its try on probation failed";
  }
  return {};
}

}  // namespace

std::string ejection_text(Detector detector, const policy::Evidence& evidence) {
  return fmt::format("{}: {}", label(detector), numbers(detector, evidence));
}

}  // namespace outrigger::upstream
