#include "proxy/policy/optional_breaker.h"

namespace outrigger::policy {

void OptionalBreaker::make(const config::CircuitBreaker& settings) {
  breaker_.emplace(settings, Random(seed_));
  told_ = 0;
}

void OptionalBreaker::configure(const std::optional<config::CircuitBreaker>& settings) {
  configured_ = settings.has_value();
  if (settings && breaker_) {
    breaker_->configure(*settings);
  } else if (settings) {
    make(*settings);
  } else if (breaker_ && breaker_->by_hand() == CircuitByHand::Auto) {
    breaker_.reset();
  } else if (breaker_) {
    breaker_->configure({});
  }
}

OptionalBreaker::Changes OptionalBreaker::set_by_hand(CircuitByHand by_hand) {
  if (!breaker_ && by_hand == CircuitByHand::Auto) return std::nullopt;
  if (!breaker_) make({});
  breaker_->set_by_hand(by_hand);
  const Changes changes = untold();
  if (!configured_ && by_hand == CircuitByHand::Auto) breaker_.reset();
  return changes;
}

OptionalBreaker::Changes OptionalBreaker::untold() {
  const auto changes = breaker_->changes_after(told_);
  told_ = breaker_->change_count();
  return changes;
}

}  // namespace outrigger::policy
