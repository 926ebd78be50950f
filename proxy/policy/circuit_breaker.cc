#include "proxy/policy/circuit_breaker.h"

#include <algorithm>

namespace outrigger::policy {
namespace {

bool at_or_above(std::uint32_t part, std::uint32_t whole, double percent) {
  return static_cast<double>(part) * 100 >= percent * static_cast<double>(whole);
}

}  // namespace

CircuitBreaker::CircuitBreaker(const config::CircuitBreaker& settings, Random random)
    : settings_(settings), random_(random), outcomes_(settings.window), speeds_(settings.window) {}

void CircuitBreaker::configure(const config::CircuitBreaker& settings) {
  if (settings.window != settings_.window) {
    outcomes_ = SuccessWindow(settings.window);
    speeds_ = SuccessWindow(settings.window);
  }
  settings_ = settings;
}

std::uint32_t CircuitBreaker::places() const {
  return std::clamp(settings_.half_open_requests, 1u, kMaxProbes);
}

// A place nobody holds, or whose probe is overdue. Null where all are taken.
const CircuitBreaker::Probe* CircuitBreaker::find_free(TimePoint now) const {
  for (std::uint32_t i = 0; i < places(); ++i) {
    if (!probes_[i].taken || now >= probes_[i].given_up_at) return &probes_[i];
  }
  return nullptr;
}

bool CircuitBreaker::would_refuse(TimePoint now) const {
  if (!enforces() || state_ == CircuitState::Closed) return false;
  if (state_ == CircuitState::Open) return now < opened_until_;
  return find_free(now) == nullptr;
}

CircuitPermit CircuitBreaker::admit(TimePoint now, TimePoint deadline) {
  if (would_refuse(now)) {
    ++rejected_;
    return {};
  }
  if (state_ == CircuitState::Open && now >= opened_until_) {
    go(CircuitState::HalfOpen);
    probe_successes_ = 0;
    probes_ = {};
  }
  CircuitPermit permit{.granted = true, .generation = generation_};
  if (state_ != CircuitState::HalfOpen) return permit;
  const Probe* free = find_free(now);
  if (!free) return permit;  // only with `mode: observe`, which lets everything through
  const auto place = static_cast<std::size_t>(free - probes_.data());
  probes_[place] = {.taken = true,
                    .serial = ++probe_serial_,
                    .given_up_at = deadline != kNever ? deadline
                                                      : saturating_add(now, settings_.open_for)};
  permit.probe = true;
  permit.place = static_cast<std::uint8_t>(place);
  permit.serial = probe_serial_;
  return permit;
}

void CircuitBreaker::record(const CircuitPermit& permit, Verdict verdict, TimePoint now,
                            Duration time_to_head) {
  if (!permit.granted || permit.generation != generation_) return;
  if (permit.probe) return record_probe(permit, verdict, now);
  if (state_ == CircuitState::Closed) count(verdict, now, time_to_head);
}

void CircuitBreaker::record_probe(const CircuitPermit& permit, Verdict verdict, TimePoint now) {
  Probe& probe = probes_[permit.place];
  if (!probe.taken || probe.serial != permit.serial) return;  // its place has been given away
  if (now >= probe.given_up_at) verdict = Verdict::Uncounted;
  probe.taken = false;
  if (verdict == Verdict::Failure) {
    ++reopened_;
    return open(now);
  }
  if (verdict == Verdict::Success && ++probe_successes_ >= places()) {
    go(CircuitState::Closed);
    reopened_ = 0;
    consecutive_failures_ = 0;
    outcomes_.clear();
    speeds_.clear();
  }
}

void CircuitBreaker::count(Verdict verdict, TimePoint now, Duration time_to_head) {
  if (verdict == Verdict::Uncounted) return;
  const bool failed = verdict == Verdict::Failure;
  outcomes_.add(now, !failed);
  consecutive_failures_ = failed ? consecutive_failures_ + 1 : 0;
  if (settings_.slow_call) speeds_.add(now, time_to_head <= settings_.slow_call->over);
  if (should_open(now)) open(now);
}

bool CircuitBreaker::should_open(TimePoint now) const {
  const auto outcomes = outcomes_.totals(now);
  const bool enough = outcomes.all() >= settings_.min_requests;
  const auto& row = settings_.consecutive_failures;
  if (row && consecutive_failures_ >= row->count && (row->always || !enough)) return true;
  if (!enough) return false;
  // A window without a failure never opens it, also where the percentage is 0.
  if (outcomes.failures > 0 &&
      at_or_above(outcomes.failures, outcomes.all(), settings_.failure_rate_percent)) {
    return true;
  }
  if (!settings_.slow_call) return false;
  const auto speeds = speeds_.totals(now);
  return speeds.failures > 0 && speeds.all() >= settings_.min_requests &&
         at_or_above(speeds.failures, speeds.all(), settings_.slow_call->rate_percent);
}

void CircuitBreaker::open(TimePoint now) {
  go(CircuitState::Open);
  Duration rest = settings_.open_for;
  for (std::uint32_t i = 0; i < reopened_ && rest < settings_.max_open_for; ++i) rest *= 2;
  rest = std::min(rest, std::max(settings_.max_open_for, settings_.open_for));
  const double jitter = 0.9 + 0.2 * random_.unit();
  const auto jittered = static_cast<Duration::rep>(jitter * static_cast<double>(rest.count()));
  opened_until_ = saturating_add(now, Duration(jittered));
  consecutive_failures_ = 0;
}

void CircuitBreaker::go(CircuitState to) {
  state_ = to;
  ++generation_;
  ++transitions_[static_cast<std::size_t>(to)];
}

Duration CircuitBreaker::retry_after(TimePoint now) const {
  return state_ == CircuitState::Open && now < opened_until_ ? opened_until_ - now : Duration{};
}

CircuitBreaker::Snapshot CircuitBreaker::snapshot(TimePoint now) const {
  const auto outcomes = outcomes_.totals(now);
  const auto taken = std::ranges::count_if(probes_, [](const Probe& probe) { return probe.taken; });
  return {.successes = outcomes.successes,
          .failures = outcomes.failures,
          .slow = speeds_.totals(now).failures,
          .consecutive_failures = consecutive_failures_,
          .probes = state_ == CircuitState::HalfOpen ? static_cast<std::uint32_t>(taken) : 0};
}

Verdict breaker_verdict(const config::CircuitBreaker& settings, const TryEnd& end) {
  using config::BreakerFailure;
  const auto judged = [&settings](BreakerFailure failure) {
    return settings.failures.contains(failure) ? Verdict::Failure : Verdict::Uncounted;
  };
  switch (end.outcome) {
    case TryOutcome::Response:
      return end.status >= 500 && settings.failures.contains(BreakerFailure::FiveXx)
                 ? Verdict::Failure
                 : Verdict::Success;
    case TryOutcome::ConnectRefused:
    case TryOutcome::ConnectTimeout: return judged(BreakerFailure::ConnectFailure);
    case TryOutcome::ResetBeforeRequest:
    case TryOutcome::Reset:
    case TryOutcome::BadResponse: return judged(BreakerFailure::Reset);
    case TryOutcome::PerTryTimeout:
    case TryOutcome::RequestTimeout: return judged(BreakerFailure::Timeout);
    case TryOutcome::StaleConnection:
    case TryOutcome::Abandoned: return Verdict::Uncounted;
  }
  return Verdict::Uncounted;
}

}  // namespace outrigger::policy
