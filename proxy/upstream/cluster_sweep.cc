// ClusterState's sweep: endpoints are compared with one another every outlier_detection.interval.
//
// The lock is taken anew for each endpoint, once to copy its counters out and once for a verdict on
// it, so that no request waits for the arithmetic over all of them. An endpoint that has left
// meanwhile, or that another verdict came to first, is passed over.

#include "proxy/base/log.h"
#include "proxy/upstream/cluster_state.h"

namespace outrigger::upstream {

void ClusterState::sweep_if_due(TimePoint now) {
  config::OutlierDetection settings;
  std::uint32_t slots = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!ejection_) return;
    now = latest_locked(now);
    settings = *settings_.outlier_detection;
    if (now < saturating_add(last_sweep_, settings.interval)) return;
    last_sweep_ = now;
    slots = static_cast<std::uint32_t>(slots_.size());
    advance_locked(now);
  }
  std::vector<Swept> swept(slots);
  std::vector<policy::IntervalStatistics> compared;
  for (std::uint32_t i = 0; i < slots; ++i) {
    if (const auto counts = close_interval(i, swept[i].endpoint)) {
      swept[i].statistics = policy::statistics_of(i, *counts);
      swept[i].passes = counts->faultless;
      compared.push_back(swept[i].statistics);
    }
  }
  for (const auto& verdict : policy::sweep_verdicts(settings, compared)) {
    carry_out(verdict, swept[verdict.slot].endpoint, now);
    swept[verdict.slot].passes = false;
  }
  for (std::uint32_t i = 0; i < slots; ++i) {
    if (swept[i].passes) pass(i, swept[i].endpoint);
  }
  const std::lock_guard lock(mutex_);
  swept_.swap(swept);
}

void ClusterState::report_panic() {
  bool panic = false;
  {
    const std::lock_guard lock(mutex_);
    panic = choice_.panic();
    if (panic == told_panic_) return;
    told_panic_ = panic;
  }
  if (panic) {
    static constexpr const char* kCause =
        "too few endpoints pass their health checks: health is ignored";
    log::warn("upstream {}: panic begins: {}", name_, kCause);
    tell({.kind = exchange::EventKind::Panic, .to = "begun", .cause = kCause});
  } else {
    log::info("upstream {}: panic is over", name_);
    tell({.kind = exchange::EventKind::Panic, .to = "ended"});
  }
}

std::optional<policy::IntervalCounts> ClusterState::close_interval(std::uint32_t index,
                                                                   EndpointPtr& endpoint) {
  const std::lock_guard lock(mutex_);
  if (!ejection_ || slots_[index].departing) return std::nullopt;
  endpoint = slots_[index].endpoint;
  return ejection_->close_interval(index);
}

void ClusterState::carry_out(const policy::SweepVerdict& verdict, const EndpointPtr& endpoint,
                             TimePoint now) {
  policy::OutlierEjection::Change change;
  {
    const std::lock_guard lock(mutex_);
    const Slot& slot = slots_[verdict.slot];
    if (!ejection_ || slot.departing || slot.endpoint != endpoint) return;
    change = ejection_->carry_out(verdict, now);
    update_selectable_locked(verdict.slot);
  }
  report(verdict.slot, change);
}

void ClusterState::pass(std::uint32_t index, const EndpointPtr& endpoint) {
  const std::lock_guard lock(mutex_);
  if (ejection_ && slots_[index].endpoint == endpoint) ejection_->pass(index);
}

}  // namespace outrigger::upstream
