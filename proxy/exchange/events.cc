#include "proxy/exchange/events.h"

#include <algorithm>
#include <array>

namespace outrigger::exchange {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(EventKind::kCount)> kLabels = {
    "ejected", "returned", "circuit-breaker", "health",   "panic",
    "reload",  "drain",    "fault",           "log-level"};

}  // namespace

std::string_view label(EventKind kind) {
  return kLabels[static_cast<std::size_t>(kind)];
}

void Events::add(Event event) {
  if (event.cause.size() > kMaxCause) event.cause.resize(kMaxCause);
  event.unix_ms = unix_ms_();
  const std::lock_guard lock(mutex_);
  event.sequence = ++last_;
  if (ring_.size() < kMaxEvents) {
    ring_.push_back(std::move(event));
  } else {
    ring_[(last_ - 1) % kMaxEvents] = std::move(event);
  }
}

std::vector<Event> Events::since(std::uint64_t sequence) const {
  const std::lock_guard lock(mutex_);
  const std::uint64_t forgotten = last_ - ring_.size();
  std::vector<Event> events;
  for (auto n = std::max(sequence, forgotten); n < last_; ++n) {
    events.push_back(ring_[n % kMaxEvents]);
  }
  return events;
}

std::uint64_t Events::last_sequence() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

}  // namespace outrigger::exchange
