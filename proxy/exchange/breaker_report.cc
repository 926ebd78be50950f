#include "proxy/exchange/breaker_report.h"

#include "proxy/base/log.h"

namespace outrigger::exchange {
namespace {

using policy::CircuitByHand;
using policy::CircuitState;
using Reason = policy::CircuitChange::Reason;

std::string by_hand_text(CircuitByHand by_hand) {
  switch (by_hand) {
    case CircuitByHand::Open:
      return "refuses all until closed or automatic by hand";
    case CircuitByHand::Closed:
      return "lets all through until opened or automatic by hand";
    case CircuitByHand::Auto:
      return "automatic again, with a clear window";
  }
  return {};
}

std::string reason_text(const policy::CircuitChange& change) {
  switch (change.reason) {
    case Reason::FailuresInARow:
      return fmt::format("{} failures in a row", change.bad);
    case Reason::FailureRate:
      return fmt::format("{} of {} failed", change.bad, change.outcomes);
    case Reason::SlowRate:
      return fmt::format("{} of {} were slow", change.bad, change.outcomes);
    case Reason::ProbeFailed:
      return "a probe failed";
    case Reason::Rested:
      return "its rest is over";
    case Reason::ProbesSucceeded:
      return fmt::format("{} probes succeeded", change.outcomes);
    case Reason::ByHand:
      return by_hand_text(change.by_hand);
  }
  return {};
}

}  // namespace

std::string cause_of(const policy::CircuitChange& change) {
  const std::string reason = reason_text(change);
  if (change.rest == Duration{}) return reason;
  return fmt::format("{}; open for {:.1f} s{}", reason, seconds(change.rest),
                     change.observed ? ", but mode is observe: nothing is refused" : "");
}

void report_each(const policy::CircuitBreaker::Changes& changes, std::string_view scope,
                 const std::string& name, Events* events) {
  for (std::size_t i = 0; i < changes.count; ++i) {
    const policy::CircuitChange& change = changes.list[i];
    const bool by_hand = change.reason == Reason::ByHand;
    std::string cause = cause_of(change);
    log::warn("{} {}: circuit breaker {}{}: {}", scope, name, label(change.to),
              by_hand ? " by hand" : "", cause);
    if (!events) continue;
    events->add({.kind = EventKind::CircuitBreaker,
                 .scope = scope,
                 .name = name,
                 .to = label(change.to),
                 .cause = std::move(cause),
                 .by_hand = by_hand});
  }
}

}  // namespace outrigger::exchange
