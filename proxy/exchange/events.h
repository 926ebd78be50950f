// The last changes of state, for GET /events: what an incident looked like, in order.
//
// Written at changes only, never per request, by the control thread and the workers; a short mutex
// of its own, and no other is held while something is added. What is older than kMaxEvents is
// forgotten; the running number tells a reader whether it has missed something.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::exchange {

enum class EventKind : std::uint8_t {
  Ejected,
  Returned,
  CircuitBreaker,
  Health,
  Panic,
  Reload,
  Drain,
  Fault,
  LogLevel,
  kCount
};
std::string_view label(EventKind kind);

struct Event {
  EventKind kind = EventKind::Reload;
  std::string_view scope = {};  // upstream, route or empty; a literal
  std::string name = {};        // of that upstream or route
  std::string endpoint = {};    // its address, where it is about one
  std::string_view to = {};     // the state it has now, where the kind does not say it; a literal
  std::string cause = {};       // for people, with the numbers that led to it
  bool by_hand = false;
  // Filled by add().
  std::uint64_t sequence = 0;
  std::int64_t unix_ms = 0;
};

class Events {
 public:
  static constexpr std::size_t kMaxEvents = 512;
  static constexpr std::size_t kMaxCause = 512;  // bytes of one; the rest is cut off

  // `unix_ms` is asked at each add(); safe from any thread.
  using Clock = std::int64_t (*)();
  explicit Events(Clock unix_ms) : unix_ms_(unix_ms) {}

  void add(Event event);
  // Those after number `sequence`, the newest last.
  std::vector<Event> since(std::uint64_t sequence) const;
  std::uint64_t last_sequence() const;

 private:
  const Clock unix_ms_;
  mutable std::mutex mutex_;
  std::vector<Event> ring_;  // the event of number n at (n - 1) % kMaxEvents
  std::uint64_t last_ = 0;
};

}  // namespace outrigger::exchange
