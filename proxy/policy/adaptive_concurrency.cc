#include "proxy/policy/adaptive_concurrency.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "proxy/base/check.h"

namespace outrigger::policy {
namespace {

constexpr double kLeastGradient = 0.5;
// Where the usual is more than twice the present, it comes down quicker than it follows.
constexpr double kFarAbove = 2;
constexpr double kComeDown = 0.95;

Duration duration_of(double nanoseconds) {
  return Duration(static_cast<Duration::rep>(nanoseconds));
}

}  // namespace

AdaptiveConcurrency::AdaptiveConcurrency(
    const std::optional<config::AdaptiveConcurrency>& settings) {
  configure(settings);
}

void AdaptiveConcurrency::configure(const std::optional<config::AdaptiveConcurrency>& settings) {
  const bool anew = !settings_;
  settings_ = settings;
  if (!settings_) return;
  if (anew) {
    limit_ = settings_->initial;
    short_rtt_ = long_rtt_ = sum_ = 0;
    windows_ = samples_ = 0;
  }
  limit_ = std::clamp<double>(limit_, settings_->min, settings_->max);
}

void AdaptiveConcurrency::acquire() {
  if (on() && in_flight_ >= limit()) ++beyond_;
  ++in_flight_;
  most_in_flight_ = std::max(most_in_flight_, in_flight_);
}

void AdaptiveConcurrency::release() {
  INVARIANT(in_flight_ > 0);
  --in_flight_;
}

void AdaptiveConcurrency::sample(Duration rtt, TimePoint now) {
  if (!on()) return;
  if (samples_ == 0) begin_window(now);
  ++samples_;
  sum_ += static_cast<double>(std::max(rtt, Duration(1)).count());
  if (samples_ >= kMinSamples && now - window_began_ >= kWindow) step(now);
}

void AdaptiveConcurrency::begin_window(TimePoint now) {
  window_began_ = now;
  sum_ = 0;
}

void AdaptiveConcurrency::step(TimePoint now) {
  short_rtt_ = sum_ / samples_;
  follow(short_rtt_, now);
  samples_ = 0;
  const std::uint32_t used = std::exchange(most_in_flight_, in_flight_);
  if (used < limit_ / 2) return;
  const double gradient =
      std::clamp(settings_->tolerance * long_rtt_ / short_rtt_, kLeastGradient, 1.0);
  const double wanted = gradient * limit_ + kAllowance;
  const double smoothed = limit_ + settings_->smoothing * (wanted - limit_);
  limit_ = std::clamp<double>(smoothed, settings_->min, settings_->max);
}

void AdaptiveConcurrency::follow(double rtt, TimePoint now) {
  const Duration since = std::clamp(now - last_step_, Duration{}, kMaxGap);
  last_step_ = now;
  ++windows_;
  const double weight =
      windows_ <= kWarmUp ? 1.0 / windows_ : -std::expm1(-seconds(since) / seconds(kLongTerm));
  long_rtt_ += weight * (rtt - long_rtt_);
  if (long_rtt_ > kFarAbove * rtt) long_rtt_ *= kComeDown;
}

AdaptiveConcurrency::Snapshot AdaptiveConcurrency::snapshot() const {
  return {.limit = limit(),
          .in_flight = in_flight_,
          .short_rtt = duration_of(short_rtt_),
          .long_rtt = duration_of(long_rtt_),
          .beyond = beyond_,
          .observing = on() && observing()};
}

bool is_load_sample(const TryEnd& end) {
  switch (end.outcome) {
    case TryOutcome::Response:
      return end.status >= 200 && end.status < 500 && end.status != 429 && !end.endless &&
             !end.refused_elsewhere && !end.refused_for_good;
    case TryOutcome::PerTryTimeout:
    case TryOutcome::RequestTimeout:
      return true;
    default:
      return false;
  }
}

}  // namespace outrigger::policy
