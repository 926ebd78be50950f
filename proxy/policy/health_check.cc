#include "proxy/policy/health_check.h"

#include <algorithm>

namespace outrigger::policy {
namespace {

Duration scaled(Duration span, double by) {
  return Duration(static_cast<Duration::rep>(by * static_cast<double>(span.count())));
}

}  // namespace

CheckResult result_of(const CheckEnd& end) {
  switch (end.outcome) {
    case CheckOutcome::Success:
      return CheckResult::Success;
    case CheckOutcome::Timeout:
      return CheckResult::Timeout;
    default:
      return CheckResult::Failure;
  }
}

std::string_view label(CheckResult result) {
  static constexpr std::string_view kLabels[] = {"success", "failure", "timeout"};
  return kLabels[static_cast<std::size_t>(result)];
}

std::string reason(const CheckEnd& end) {
  switch (end.outcome) {
    case CheckOutcome::Success:
      return end.status == 0 ? "connected" : "status " + std::to_string(end.status);
    case CheckOutcome::ConnectFailure:
      return "cannot connect";
    case CheckOutcome::Timeout:
      return "no answer in time";
    case CheckOutcome::Closed:
      return "closed without an answer";
    case CheckOutcome::BadResponse:
      return "an answer that is not HTTP";
    case CheckOutcome::Status:
      return "status " + std::to_string(end.status);
    case CheckOutcome::OutOfResources:
      return "it could not be asked";
  }
  return "";
}

HealthCheck::HealthCheck(const config::HealthCheck& settings, bool healthy, TimePoint now,
                         Random& random)
    : settings_(settings), health_{.healthy = healthy}, ever_healthy_(healthy) {
  begin_early(now, random);
}

void HealthCheck::begin_early(TimePoint now, Random& random) {
  const double share = settings_.jitter_percent / 100 * random.unit();
  due_ = saturating_add(now, scaled(settings_.interval, share));
  due_with_traffic_ = due_without_traffic_ = due_;
  under_way_ = false;
}

void HealthCheck::configure(const config::HealthCheck& settings, TimePoint now, Random& random) {
  settings_ = settings;
  if (under_way_ || !health_.last) {
    begin_early(now, random);
  } else {
    plan(now, random);
  }
}

// Known to be well: no doubt by a failure, and confirmed as often as a return needs.
bool HealthCheck::settled() const {
  return health_.healthy && health_.last && health_.last->good() &&
         health_.consecutive >= settings_.healthy_threshold;
}

bool HealthCheck::begin(bool traffic, TimePoint now, Random& random) {
  const bool often = traffic || !settled();
  const TimePoint at = often ? due_with_traffic_ : due_without_traffic_;
  if (now < at) {
    // Traffic may come meanwhile, and is looked for as often as with it.
    due_ = std::min(at, saturating_add(now, jittered(settings_.interval, random)));
    return false;
  }
  under_way_ = true;
  began_at_ = now;
  due_ = kNever;
  return true;
}

void HealthCheck::put_off(TimePoint now, Random& random) {
  under_way_ = false;
  plan(now, random);
}

bool HealthCheck::record(const CheckEnd& end, TimePoint now, Random& random) {
  const bool as_before = health_.last && health_.last->good() == end.good();
  health_.consecutive = as_before ? health_.consecutive + 1 : 1;
  health_.last = end;
  health_.checked_at = now;
  under_way_ = false;
  const bool was_healthy = health_.healthy;
  if (end.good()) {
    // One that has never been healthy is in service at its first success: starting is fast.
    health_.healthy |= !ever_healthy_ || health_.consecutive >= settings_.healthy_threshold;
  } else if (health_.consecutive >= settings_.unhealthy_threshold) {
    health_.healthy = false;
  }
  ever_healthy_ |= health_.healthy;
  plan(now, random);
  return health_.healthy != was_healthy;
}

// From the check's beginning, so that one which takes long delays the next no further.
void HealthCheck::plan(TimePoint now, Random& random) {
  due_with_traffic_ = saturating_add(began_at_, jittered(settings_.interval, random));
  due_without_traffic_ = saturating_add(began_at_, jittered(settings_.no_traffic_interval, random));
  due_ = std::max(now, std::min(due_with_traffic_, due_without_traffic_));
}

Duration HealthCheck::jittered(Duration interval, Random& random) const {
  return scaled(interval, 1 + settings_.jitter_percent / 100 * (2 * random.unit() - 1));
}

}  // namespace outrigger::policy
