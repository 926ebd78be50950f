// Tells the log and GET /events what circuit breakers did, and why. Without any lock held.
#pragma once

#include <string>
#include <string_view>

#include "proxy/exchange/events.h"
#include "proxy/policy/optional_breaker.h"

namespace outrigger::exchange {

// What `changes` holds, if anything. `scope`: route or upstream, a literal. `events` may be null.
void report(const policy::OptionalBreaker::Changes& changes, std::string_view scope,
            const std::string& name, Events* events);

// "6 of 20 failed; open for 5.2 s"
std::string cause_of(const policy::CircuitChange& change);

}  // namespace outrigger::exchange
