// The circuit breaker of a route or upstream, where there may be none: there is one while it is
// configured, and while a person has opened or closed it, whether configured or not.
//
// It also remembers which of the breaker's changes have been told, since those are found under a
// lock and told after it.
#pragma once

#include <cstdint>
#include <optional>

#include "config/model.h"
#include "proxy/policy/circuit_breaker.h"

namespace outrigger::policy {

class OptionalBreaker {
 public:
  using Changes = std::optional<CircuitBreaker::Changes>;

  explicit OptionalBreaker(std::uint64_t seed) : seed_(seed) {}

  // State, window and what was said by hand stay.
  void configure(const std::optional<config::CircuitBreaker>& settings);
  // The changes to be told, this one among them.
  Changes set_by_hand(CircuitByHand by_hand);
  // Those since it was last asked; mostly none.
  Changes take_untold() {
    if (!breaker_ || breaker_->change_count() == told_) return std::nullopt;
    return untold();
  }

  explicit operator bool() const { return breaker_.has_value(); }
  // Undefined without one.
  CircuitBreaker* operator->() { return &*breaker_; }
  const CircuitBreaker* operator->() const { return &*breaker_; }
  const CircuitBreaker& operator*() const { return *breaker_; }

 private:
  Changes untold();
  void make(const config::CircuitBreaker& settings);

  std::uint64_t seed_;
  bool configured_ = false;
  std::optional<CircuitBreaker> breaker_;
  std::uint64_t told_ = 0;
};

}  // namespace outrigger::policy
