#include "proxy/policy/outlier_ejection.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "proxy/base/check.h"

namespace outrigger::policy {
namespace {

using Change = OutlierEjection::Change;
using State = OutlierEjection::State;

constexpr std::int64_t kGapPercent = 10;  // by which the others must do better
constexpr double kChance = 1.5e-5;        // a row less probable than this was not made by chance

constexpr std::size_t index(Detector detector) {
  return static_cast<std::size_t>(detector);
}

// Of which row the verdict was.
std::uint32_t length(const FailureRows& rows, Detector detector) {
  switch (detector) {
    case Detector::ConsecutiveLocalOriginFailures:
      return rows.local_origin;
    case Detector::ConsecutiveGatewayErrors:
      return rows.gateway_errors;
    default:
      return rows.any_5xx;
  }
}

}  // namespace

OutlierEjection::Slot* OutlierEjection::find(std::uint32_t slot) {
  return slot < slots_.size() && slots_[slot].present ? &slots_[slot] : nullptr;
}

const OutlierEjection::Slot* OutlierEjection::find(std::uint32_t slot) const {
  return slot < slots_.size() && slots_[slot].present ? &slots_[slot] : nullptr;
}

// The set of endpoints.

void OutlierEjection::configure(const config::OutlierDetection& settings) {
  settings_ = settings;
  times_.resize(settings_.latency ? slots_.size() : 0);
  end_ejections_beyond_caps();
}

void OutlierEjection::add(std::uint32_t slot, TimePoint /*now*/) {
  INVARIANT(slot < kMaxEndpoints);
  if (slot >= slots_.size()) {
    slots_.resize(slot + 1);
    free_places_.reserve(slots_.size());
    if (settings_.latency) times_.resize(slots_.size());
  }
  if (settings_.latency) times_[slot] = {};
  INVARIANT(!slots_[slot].present);
  slots_[slot] = {.present = true};
  ++counts_[static_cast<std::size_t>(State::Healthy)];
}

void OutlierEjection::remove(std::uint32_t slot) {
  Slot* entry = find(slot);
  if (!entry) return;
  set_healthy(slot, true);
  set_state(slot, State::Healthy);
  --counts_[static_cast<std::size_t>(State::Healthy)];
  *entry = {};
  end_ejections_beyond_caps();
}

bool OutlierEjection::restore(std::uint32_t slot) {
  if (state(slot) == State::Healthy) return false;
  set_state(slot, State::Healthy);
  slots_[slot].ejections = 0;
  return true;
}

OutlierEjection::State OutlierEjection::state(std::uint32_t slot) const {
  const Slot* entry = find(slot);
  return entry ? entry->state : State::Healthy;
}

void OutlierEjection::set_healthy(std::uint32_t slot, bool healthy) {
  Slot* entry = find(slot);
  if (!entry || entry->healthy == healthy) return;
  entry->healthy = healthy;
  if (entry->state == State::Healthy) unhealthy_ += healthy ? -1u : 1u;
  if (!healthy) end_ejections_beyond_caps();
}

// The one place where a state changes: counts, rows and the probation's places follow.
void OutlierEjection::set_state(std::uint32_t slot, State state) {
  Slot& entry = slots_[slot];
  --counts_[static_cast<std::size_t>(entry.state)];
  ++counts_[static_cast<std::size_t>(state)];
  if (!entry.healthy) {
    unhealthy_ -= entry.state == State::Healthy ? 1 : 0;
    unhealthy_ += state == State::Healthy ? 1 : 0;
  }
  withdraw(slot);
  entry.state = state;
  entry.probation_taken = false;
  entry.unsettled = 0;
  if (state == State::Probation) offer(slot, TimePoint{});
  entry.rows = {};
}

void OutlierEjection::offer(std::uint32_t slot, TimePoint due) {
  const auto after = std::ranges::upper_bound(free_places_, due, {}, &FreePlace::due);
  free_places_.insert(after, {.slot = slot, .due = due});
}

void OutlierEjection::withdraw(std::uint32_t slot) {
  std::erase_if(free_places_, [slot](const FreePlace& place) { return place.slot == slot; });
}

std::uint32_t OutlierEjection::allowed_out() const {
  const auto n = present();
  const auto share = static_cast<std::uint32_t>(n * settings_.max_ejection_percent / 100);
  const bool at_least_one = n >= 2 && settings_.max_ejection_percent > 0;
  return std::max(share, at_least_one ? 1u : 0u);
}

bool OutlierEjection::none_may_be_out() const {
  return present() == 1 || settings_.mode == config::PolicyMode::Observe;
}

// Endpoints went, or the settings came to allow less: what no verdict could do now is undone, as
// far as those that are on their way back do not make up for it.
void OutlierEjection::end_ejections_beyond_caps() {
  if (none_may_be_out()) {
    next_return_ = TimePoint{};
    return;
  }
  const auto beyond = [](std::uint32_t is, std::uint32_t allowed) {
    return is > allowed ? is - allowed : 0;
  };
  const auto out = count(State::Ejected) + count(State::Probation);
  const auto surplus =
      std::max(beyond(out, allowed_out()), beyond(settings_.min_available, available()));
  for (auto left = beyond(surplus, returning()); left > 0; --left) {
    Slot* first = nullptr;
    for (Slot& entry : slots_) {
      if (!entry.serves_time()) continue;
      if (!first || entry.ejected_until < first->ejected_until) first = &entry;
    }
    if (!first) return;
    first->ejected_until = TimePoint{};
    next_return_ = TimePoint{};
  }
}

std::uint32_t OutlierEjection::returning() const {
  const auto serving = std::ranges::count_if(slots_, &Slot::serves_time);
  return count(State::Ejected) + count(State::Probation) - static_cast<std::uint32_t>(serving);
}

// The end of an ejection.

// Ends one that is due; none, and the time of the next, where there is none.
std::optional<std::uint32_t> OutlierEjection::end_one(TimePoint now) {
  next_return_ = kNever;
  for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
    const Slot& entry = slots_[slot];
    if (!entry.present || entry.state == State::Healthy) continue;
    if (none_may_be_out() || (entry.state == State::Ejected && entry.ejected_until <= now)) {
      set_state(slot, none_may_be_out() ? State::Healthy : State::Probation);
      next_return_ = TimePoint{};  // there may be more
      return slot;
    }
    if (entry.state == State::Ejected) next_return_ = std::min(next_return_, entry.ejected_until);
  }
  return std::nullopt;
}

bool OutlierEjection::take_probation(std::uint32_t slot) {
  Slot* entry = find(slot);
  if (!entry || entry->state != State::Probation || entry->probation_taken) return false;
  entry->probation_taken = true;
  withdraw(slot);
  return true;
}

void OutlierEjection::give_back_probation(std::uint32_t slot, TimePoint now) {
  Slot* entry = find(slot);
  if (!entry || !entry->probation_taken) return;
  entry->probation_taken = false;
  const auto doubled = kProbationPause * (1 << std::min(entry->unsettled++, 10u));
  offer(slot, saturating_add(now, std::min<Duration>(doubled, settings_.base_ejection_time)));
}

// Verdicts.

Change OutlierEjection::record(std::uint32_t slot, const TryEnd& end, TimePoint now,
                               bool on_probation) {
  Slot* entry = find(slot);
  if (!entry) return {};
  const auto what = failure_class(end);
  if (is_failure(what) || what == FailureClass::Success) {
    entry->window.add(now, what == FailureClass::Success);
    all_.add(now, what == FailureClass::Success);
    ++(what == FailureClass::Success ? entry->interval_successes : entry->interval_failures);
    ++(what == FailureClass::Success ? ever_.successes : ever_.failures);
  }
  switch (entry->state) {
    case State::Ejected:
      return {};  // begun before it: nothing new
    case State::Probation:
      return on_probation && entry->probation_taken ? judge_probation(slot, what, now) : Change{};
    case State::Healthy:
      break;
  }
  entry->succeeded |= what == FailureClass::Success;
  entry->failed |= is_failure(what);
  entry->rows.count(what);
  if (entry->rows.any_5xx == 1 && is_failure(what)) {
    entry->before_row = {.successes = ever_.successes, .failures = ever_.failures - 1};
  }
  return is_failure(what) ? judge(slot, now) : Change{};
}

void OutlierEjection::record_time(std::uint32_t slot, const TryEnd& end, Duration time) {
  // No time at all: it had not begun.
  if (slot < times_.size() && time > Duration{} && tells_latency(end)) times_[slot].add(time);
}

Change OutlierEjection::judge_probation(std::uint32_t slot, FailureClass what, TimePoint now) {
  if (what == FailureClass::Success) {
    set_state(slot, State::Healthy);
    slots_[slot].succeeded = true;
    return {.restored = true};
  }
  give_back_probation(slot, now);
  if (!is_failure(what)) return {};
  if (present() == 1) return deny(EjectionDenial::Lone);
  // It has its place within the cap, unless that has shrunk since.
  if (count(State::Ejected) + 1 > allowed_out()) return deny(EjectionDenial::MaxEjectionPercent);
  return eject(slot, Detector::Probation, {}, now);
}

Change OutlierEjection::judge(std::uint32_t slot, TimePoint now) {
  const Slot& entry = slots_[slot];
  const auto detector = entry.rows.verdict(settings_);
  if (!detector) return {};
  if (present() == 1) return deny(EjectionDenial::Lone);
  const bool needs_contrast = *detector != Detector::ConsecutiveLocalOriginFailures;
  if (needs_contrast && !others_do_better(entry, now) &&
      !unlikely_by_chance(entry, length(entry.rows, *detector))) {
    return deny(EjectionDenial::CommonMode);
  }
  if (const auto cap = cap_against(entry)) return deny(*cap);
  const Evidence evidence{.own = static_cast<double>(length(entry.rows, *detector))};
  const Change change = eject(slot, *detector, evidence, now);
  if (change.observed) slots_[slot].rows = {};
  return change;
}

Change OutlierEjection::carry_out(const SweepVerdict& verdict, TimePoint now) {
  const Slot* entry = find(verdict.slot);
  if (!entry || entry->state != State::Healthy) return {};  // things have changed meanwhile
  const auto cap = present() == 1 ? std::optional(EjectionDenial::Lone) : cap_against(*entry);
  if (!cap) return eject(verdict.slot, verdict.detector, verdict.evidence, now);
  Change change = deny(*cap);
  change.detector = verdict.detector;
  change.evidence = verdict.evidence;
  return change;
}

// In whole numbers: nine of ten are exactly ten points better than eight of ten.
bool OutlierEjection::others_do_better(const Slot& entry, TimePoint now) const {
  const auto own = entry.window.totals(now);
  const auto all = all_.totals(now);
  const std::int64_t own_good = own.successes;
  const std::int64_t own_count = own_good + own.failures;
  // The windows of removed endpoints are still in the whole; never fewer than its own.
  const std::int64_t good = std::max<std::int64_t>(all.successes - own_good, 0);
  const std::int64_t count =
      good + std::max<std::int64_t>(static_cast<std::int64_t>(all.failures) - own.failures, 0);
  if (count == 0) return own_good * 100 <= (100 - kGapPercent) * own_count;
  return 100 * (good * own_count - own_good * count) >= kGapPercent * count * own_count;
}

// How probable so long a row is, if the endpoint failed as often as the others have since it began.
// Their share is taken half an outcome each way from what was seen (Jeffreys' prior), so that a
// few good outcomes prove little.
bool OutlierEjection::unlikely_by_chance(const Slot& entry, std::uint32_t row) const {
  const auto good = static_cast<double>(ever_.successes - entry.before_row.successes);
  const auto bad =
      static_cast<double>(ever_.failures - entry.before_row.failures - entry.rows.any_5xx);
  return std::pow((bad + 0.5) / (good + bad + 1), row) <= kChance;
}

std::optional<EjectionDenial> OutlierEjection::cap_against(const Slot& entry) const {
  const auto out = count(State::Ejected) + count(State::Probation);
  if (out + 1 > allowed_out()) return EjectionDenial::MaxEjectionPercent;
  // The one to be ejected is not ejected, and available itself unless its health checks fail.
  const auto left = available() - (entry.healthy ? 1 : 0);
  if (left < settings_.min_available) return EjectionDenial::MinAvailable;
  return std::nullopt;
}

Change OutlierEjection::deny(EjectionDenial cause) {
  ++denied_[static_cast<std::size_t>(cause)];
  return {.denied = cause};
}

Change OutlierEjection::eject(std::uint32_t slot, Detector detector, const Evidence& evidence,
                              TimePoint now) {
  Slot& entry = slots_[slot];
  ++ejections_[static_cast<std::size_t>(settings_.mode)][index(detector)];
  if (settings_.mode == config::PolicyMode::Observe) {
    return {.observed = true, .detector = detector, .evidence = evidence};
  }
  // Counting on where the time no longer grows would only make the way back longer.
  const auto base = settings_.base_ejection_time;
  if (entry.ejections == 0 || base * entry.ejections < settings_.max_ejection_time) {
    ++entry.ejections;
  }
  const auto time = std::min<Duration>(base * entry.ejections, settings_.max_ejection_time);
  set_state(slot, State::Ejected);
  entry.ejected_until = saturating_add(now, time);
  next_return_ = std::min(next_return_, entry.ejected_until);
  return {.ejected = true, .detector = detector, .evidence = evidence, .ejected_for = time};
}

// The sweep, and what others see.

std::optional<IntervalCounts> OutlierEjection::close_interval(std::uint32_t slot) {
  Slot* entry = find(slot);
  if (!entry) return std::nullopt;
  IntervalCounts counts{.successes = std::exchange(entry->interval_successes, 0),
                        .failures = std::exchange(entry->interval_failures, 0),
                        .faultless = entry->succeeded && !entry->failed,
                        .in_service = entry->state == State::Healthy};
  entry->succeeded = false;
  entry->failed = false;
  if (slot < times_.size()) counts.times = std::exchange(times_[slot], {});
  return counts;
}

void OutlierEjection::pass(std::uint32_t slot) {
  Slot* entry = find(slot);
  if (entry && entry->ejections > 0) --entry->ejections;
}

OutlierEjection::Snapshot OutlierEjection::snapshot(std::uint32_t slot, TimePoint now) const {
  const Slot* entry = find(slot);
  if (!entry) return {};
  const auto totals = entry->window.totals(now);
  return {.state = entry->state,
          .ejected_until = entry->ejected_until,
          .consecutive_local_origin_failures = entry->rows.local_origin,
          .consecutive_gateway_errors = entry->rows.gateway_errors,
          .consecutive_5xx = entry->rows.any_5xx,
          .ejections = entry->ejections,
          .successes = totals.successes,
          .failures = totals.failures};
}

}  // namespace outrigger::policy
