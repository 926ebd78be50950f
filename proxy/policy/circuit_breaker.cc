#include "proxy/policy/circuit_breaker.h"

#include <algorithm>

namespace outrigger::policy {
namespace {

constexpr double kJitter = 0.1;
constexpr int kFirstServerError = 500;

bool reaches(std::uint32_t part, std::uint32_t whole, double percent) {
  return part > 0 && part * 100.0 >= percent * whole;
}

}  // namespace

std::string_view label(CircuitState state) {
  static constexpr std::string_view kLabels[] = {"closed", "half-open", "open"};
  return kLabels[static_cast<std::size_t>(state)];
}

std::string_view label(CircuitByHand by_hand) {
  static constexpr std::string_view kLabels[] = {"auto", "open", "closed"};
  return kLabels[static_cast<std::size_t>(by_hand)];
}

CircuitBreaker::CircuitBreaker(const config::CircuitBreaker& settings, Random random)
    : settings_(settings),
      random_(random),
      outcomes_(settings.window),
      speeds_(settings.window),
      probes_(settings.half_open_requests) {}

void CircuitBreaker::configure(const config::CircuitBreaker& settings) {
  settings_ = settings;
  outcomes_.set_length(settings.window);
  speeds_.set_length(settings.window);
  // Never shorter: the places of probes on their way stay where they are.
  probes_.resize(std::max<std::size_t>(probes_.size(), settings.half_open_requests));
}

// Admission.

bool CircuitBreaker::would_refuse(TimePoint now) const {
  if (open_by_hand()) return true;
  if (observing()) return false;
  switch (state_) {
    case CircuitState::Closed:
      return false;
    case CircuitState::Open:
      return now < open_until_;
    case CircuitState::HalfOpen:
      return probe_refused(now);
  }
  return false;
}

CircuitPermit CircuitBreaker::admit(TimePoint now, TimePoint deadline) {
  if (state_ == CircuitState::Closed) return {.granted = true, .generation = generation_};
  if (state_ == CircuitState::Open) {
    if (open_by_hand() || now < open_until_) return refuse();
    change(CircuitState::HalfOpen, {.reason = Reason::Rested});
  }
  take_back_unanswered(now);
  if (probes_out_ >= settings_.half_open_requests) return refuse();
  return grant_probe(now, deadline);
}

CircuitPermit CircuitBreaker::refuse() {
  ++rejected_;
  return {.granted = observing() && !open_by_hand()};
}

CircuitPermit CircuitBreaker::grant_probe(TimePoint now, TimePoint deadline) {
  const auto place = std::ranges::find(probes_, false, &Probe::out);
  *place = {.out = true,
            .serial = ++next_serial_,
            .gives_back = deadline == kNever ? saturating_add(now, settings_.open_for)
                                             : saturating_add(deadline, kProbeGrace)};
  ++probes_out_;
  first_give_back_ = std::min(first_give_back_, place->gives_back);
  return {.granted = true,
          .probe = true,
          .place = static_cast<std::uint16_t>(place - probes_.begin()),
          .generation = generation_,
          .serial = place->serial};
}

bool CircuitBreaker::probe_refused(TimePoint now) const {
  const auto unanswered = [now](const Probe& p) { return p.out && now >= p.gives_back; };
  auto out = probes_out_;
  if (now >= first_give_back_) {
    out -= static_cast<std::uint32_t>(std::ranges::count_if(probes_, unanswered));
  }
  return out >= settings_.half_open_requests;
}

void CircuitBreaker::take_back_unanswered(TimePoint now) {
  if (now < first_give_back_) return;
  first_give_back_ = kNever;
  for (Probe& probe : probes_) {
    if (!probe.out) continue;
    if (now >= probe.gives_back) {
      free(probe);
    } else {
      first_give_back_ = std::min(first_give_back_, probe.gives_back);
    }
  }
}

void CircuitBreaker::free(Probe& probe) {
  probe.out = false;
  --probes_out_;
}

// Outcomes.

void CircuitBreaker::record(const CircuitPermit& permit, Verdict verdict, TimePoint now,
                            Duration time_to_head) {
  if (permit.generation != generation_) return;
  if (permit.probe) {
    record_probe(permit, verdict, now);
  } else if (verdict != Verdict::Uncounted) {
    record_closed(verdict, now, time_to_head);
  }
}

void CircuitBreaker::record_closed(Verdict verdict, TimePoint now, Duration time_to_head) {
  const bool success = verdict == Verdict::Success;
  const auto outcomes = outcomes_.add(now, success);
  if (settings_.slow_call) speeds_.add(now, time_to_head <= settings_.slow_call->over);
  consecutive_failures_ = success ? 0 : consecutive_failures_ + 1;
  if (by_hand_ == CircuitByHand::Closed) return;
  if (const auto why = reason_to_open(outcomes, now)) open(*why, now);
}

std::optional<CircuitChange> CircuitBreaker::reason_to_open(const SuccessWindow::Totals& outcomes,
                                                            TimePoint now) const {
  if (row_too_long(outcomes)) {
    return CircuitChange{.reason = Reason::FailuresInARow, .bad = consecutive_failures_};
  }
  if (outcomes.count() < settings_.min_requests) return std::nullopt;
  if (reaches(outcomes.failures, outcomes.count(), settings_.failure_rate_percent)) {
    return CircuitChange{
        .reason = Reason::FailureRate, .bad = outcomes.failures, .outcomes = outcomes.count()};
  }
  if (!settings_.slow_call) return std::nullopt;
  const auto speeds = speeds_.totals(now);
  // Fewer than `outcomes` where slow_call came with a reload.
  const bool slow = speeds.count() >= settings_.min_requests &&
                    reaches(speeds.failures, speeds.count(), settings_.slow_call->rate_percent);
  if (!slow) return std::nullopt;
  return CircuitChange{
      .reason = Reason::SlowRate, .bad = speeds.failures, .outcomes = speeds.count()};
}

bool CircuitBreaker::row_too_long(const SuccessWindow::Totals& outcomes) const {
  const auto& row = settings_.consecutive_failures;
  return row && consecutive_failures_ >= row->count &&
         (row->always || outcomes.count() < settings_.min_requests);
}

void CircuitBreaker::record_probe(const CircuitPermit& permit, Verdict verdict, TimePoint now) {
  if (permit.place >= probes_.size()) return;  // of a breaker that a reload has taken away
  Probe& probe = probes_[permit.place];
  if (!probe.out || probe.serial != permit.serial) return;
  const bool in_time = now < probe.gives_back;
  free(probe);
  if (!in_time || verdict == Verdict::Uncounted) return;
  if (verdict == Verdict::Failure) {
    ++failed_half_opens_;
    open({.reason = Reason::ProbeFailed}, now);
  } else if (++probe_successes_ >= settings_.half_open_requests) {
    change(CircuitState::Closed,
           {.reason = Reason::ProbesSucceeded, .outcomes = settings_.half_open_requests});
    forget_outcomes();
  }
}

// States.

void CircuitBreaker::set_by_hand(CircuitByHand by_hand) {
  if (by_hand == CircuitByHand::Auto && by_hand_ == CircuitByHand::Auto) return;
  by_hand_ = by_hand;
  change(by_hand == CircuitByHand::Open ? CircuitState::Open : CircuitState::Closed,
         {.reason = Reason::ByHand});
  if (by_hand == CircuitByHand::Auto) forget_outcomes();
}

void CircuitBreaker::change(CircuitState state, CircuitChange why) {
  why.from = state_;
  why.to = state;
  why.by_hand = by_hand_;
  why.observed = observing() && by_hand_ == CircuitByHand::Auto;
  changes_[change_count_++ % kKeptChanges] = why;
  if (state != state_) enter(state);
}

void CircuitBreaker::enter(CircuitState state) {
  state_ = state;
  ++transitions_[static_cast<std::size_t>(state)];
  if (++generation_ == 0) ++generation_;  // 0 is recorded nowhere
  std::ranges::fill(probes_, Probe{});
  probes_out_ = 0;
  probe_successes_ = 0;
  first_give_back_ = kNever;
}

void CircuitBreaker::open(CircuitChange why, TimePoint now) {
  const Duration time = rest();
  open_until_ = saturating_add(saturating_add(now, time), jitter(time));
  why.rest = open_until_ - now;
  change(CircuitState::Open, why);
}

void CircuitBreaker::forget_outcomes() {
  outcomes_.clear();
  speeds_.clear();
  consecutive_failures_ = 0;
  failed_half_opens_ = 0;
}

Duration CircuitBreaker::rest() const {
  Duration rest = settings_.open_for;
  for (auto i = failed_half_opens_; i > 0 && rest < settings_.max_open_for; --i) {
    if (rest == Duration{}) break;
    rest += std::min(rest, settings_.max_open_for - rest);  // doubled, without an overflow
  }
  return rest;
}

Duration CircuitBreaker::jitter(Duration rest) {
  return std::chrono::duration_cast<Duration>(rest * (kJitter * (2 * random_.unit() - 1)));
}

// What is shown.

CircuitBreaker::Changes CircuitBreaker::changes_after(std::uint64_t told) const {
  Changes changes;
  const auto forgotten = change_count_ - std::min<std::uint64_t>(change_count_, kKeptChanges);
  for (auto n = std::max(told, forgotten); n < change_count_; ++n) {
    changes.list[changes.count++] = changes_[n % kKeptChanges];
  }
  return changes;
}

Duration CircuitBreaker::retry_after(TimePoint now) const {
  if (open_by_hand()) return kByHandRetryAfter;
  return state_ == CircuitState::Open ? std::max(open_until_ - now, Duration{}) : Duration{};
}

CircuitBreaker::Snapshot CircuitBreaker::snapshot(TimePoint now) const {
  const auto outcomes = outcomes_.totals(now);
  return {.state = state_,
          .successes = outcomes.successes,
          .failures = outcomes.failures,
          .slow = speeds_.totals(now).failures,
          .consecutive_failures = consecutive_failures_,
          .probes = probes_out_,
          .probe_successes = probe_successes_,
          .retry_after = retry_after(now)};
}

Verdict breaker_verdict(const config::CircuitBreaker& settings, const TryEnd& end) {
  using Kind = config::BreakerFailure;
  const auto failure_if_listed = [&settings](Kind kind) {
    return settings.failures.contains(kind) ? Verdict::Failure : Verdict::Uncounted;
  };
  switch (end.outcome) {
    case TryOutcome::Response:
      return end.status >= kFirstServerError && settings.failures.contains(Kind::FiveXx)
                 ? Verdict::Failure
                 : Verdict::Success;
    case TryOutcome::ConnectRefused:
    case TryOutcome::ConnectTimeout:
      return failure_if_listed(Kind::ConnectFailure);
    case TryOutcome::ResetBeforeRequest:
    case TryOutcome::Reset:
    case TryOutcome::BadResponse:
      return failure_if_listed(Kind::Reset);
    case TryOutcome::PerTryTimeout:
    case TryOutcome::RequestTimeout:
      return failure_if_listed(Kind::Timeout);
    case TryOutcome::StaleConnection:
    case TryOutcome::Abandoned:
    case TryOutcome::OutOfResources:
      break;
  }
  return Verdict::Uncounted;
}

}  // namespace outrigger::policy
