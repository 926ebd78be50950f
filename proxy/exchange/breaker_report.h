// Tells the log and GET /events what circuit breakers did, and why. Without any lock held.
#pragma once

#include <string>
#include <string_view>

#include "proxy/exchange/events.h"
#include "proxy/policy/optional_breaker.h"

namespace outrigger::exchange {

// `scope`: route or upstream, a literal. `events` may be null.
void report_each(const policy::CircuitBreaker::Changes& changes, std::string_view scope,
                 const std::string& name, Events* events);
// What `changes` holds, if anything.
inline void report(const policy::OptionalBreaker::Changes& changes, std::string_view scope,
                   const std::string& name, Events* events) {
  if (changes) report_each(*changes, scope, name, events);
}

// "6 of 20 failed; open for 5.2 s"
std::string cause_of(const policy::CircuitChange& change);

}  // namespace outrigger::exchange
