// Which endpoints stand out in what an interval showed of all of them.
//
// Each is compared with the others only. In a set of the few endpoints that a sidecar sees, an
// outlier within the mean hides itself: of four endpoints none can ever be 1.9 standard deviations
// below a mean that it is part of. Those with too few tries are neither judged nor compared with,
// and no more are those that were ejected or on probation.
//
// Whether a verdict may be carried out is outlier_ejection.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "config/model.h"
#include "proxy/base/time.h"
#include "proxy/policy/ejection_cause.h"
#include "proxy/policy/latency_histogram.h"
#include "proxy/policy/outcome.h"

namespace outrigger::policy {

// What was counted of one endpoint from sweep to sweep.
struct IntervalCounts {
  std::uint32_t successes = 0;
  std::uint32_t failures = 0;
  bool faultless = false;  // successes and no failure while in service
  LatencyCounts times;     // empty without the latency detector
  bool in_service = true;
};

// The same as a sweep compares it.
struct IntervalStatistics {
  std::uint32_t slot = 0;
  bool in_service = true;  // neither ejected nor on probation at its end
  std::uint32_t successes = 0;
  std::uint32_t failures = 0;
  std::uint32_t timed = 0;  // tries whose time counts
  std::optional<Duration> p95;

  std::uint32_t tries() const { return successes + failures; }
  double success_percent() const { return 100.0 * successes / tries(); }  // of some tries
};
IntervalStatistics statistics_of(std::uint32_t slot, const IntervalCounts& counts);

// Whether the time that a try took tells how slow its endpoint is. Answers do, and tries given up
// on: cancelled ones took at least so long. A refusal or a reset is quick for other reasons.
bool tells_latency(const TryEnd& end);

struct SweepVerdict {
  std::uint32_t slot = 0;
  Detector detector{};
  Evidence evidence;
};
// In the order in which to carry them out, the worst first; at most one an endpoint.
std::vector<SweepVerdict> sweep_verdicts(const config::OutlierDetection& settings,
                                         std::span<const IntervalStatistics> endpoints);

}  // namespace outrigger::policy
