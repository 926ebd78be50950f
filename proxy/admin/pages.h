// What the admin interface shows: JSON of the live state, and one page that draws it.
#pragma once

#include <string>
#include <string_view>

#include "config/model.h"
#include "proxy/exchange/events.h"
#include "proxy/exchange/live_state.h"

namespace outrigger::admin {

std::string upstreams_json(const exchange::LiveState& live);
std::string routes_json(const config::Config& config, const exchange::LiveState& live);
// Those after number `since`, the newest last.
std::string events_json(const exchange::Events& events, std::uint64_t since);

// Reads /upstreams and /metrics of its own origin each second; needs nothing from outside.
std::string_view dashboard_html();

}  // namespace outrigger::admin
