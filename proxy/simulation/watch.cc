#include "proxy/simulation/watch.h"

#include <array>

namespace outrigger::simulation {
namespace {

using exchange::BreakerLive;

constexpr std::array<std::string_view, 3> kStates = {"closed", "half-open", "open"};

std::string joined(const std::string& name, const std::string& what) {
  return name.empty() ? what : name + " " + what;
}

// More than one transition may lie between two looks; the state of now comes last.
std::vector<std::string_view> transitions(const BreakerLive& before, const BreakerLive& now) {
  std::vector<std::string_view> all;
  const auto current = static_cast<std::size_t>(now.state);
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    if (i != current && now.transitions_to[i] > before.transitions_to[i]) all.push_back(kStates[i]);
  }
  if (now.transitions_to[current] > before.transitions_to[current]) all.push_back(kStates[current]);
  return all;
}

// Which detectors have ejected since.
std::string detectors(const std::vector<exchange::LabelledCount>& before,
                      const std::vector<exchange::LabelledCount>& now) {
  std::string text;
  for (std::size_t i = 0; i < std::min(before.size(), now.size()); ++i) {
    if (now[i].count > before[i].count) text += (text.empty() ? "" : ", ") + now[i].label;
  }
  return text;
}

}  // namespace

Watch::Watch(Sidecar& sidecar, std::string name, TimePoint now) : sidecar_(sidecar) {
  const config::Config& config = sidecar.config();
  for (std::size_t i = 0; i < config.upstreams.size(); ++i) {
    auto live = sidecar.state(i).live(now);
    SeenUpstream seen;
    seen.where = joined(name, "upstream " + config.upstreams[i].name);
    seen.breaker = live.breaker;
    seen.endpoints = std::move(live.endpoints);
    seen.ejections = std::move(live.ejections);
    upstreams_.push_back(std::move(seen));
  }
  for (const auto& listener : config.listeners) {
    for (const auto& route : listener.routes) {
      routes_.push_back({joined(name, "route " + route.name), {}});
    }
  }
}

void Watch::look(TimePoint now, Duration since_start, std::vector<Happening>& out) {
  const auto tell = [&](const std::string& where, std::string what) {
    out.push_back({since_start, where, std::move(what)});
  };
  const auto tell_breaker = [&](Seen& seen, const BreakerLive& breaker) {
    for (const auto state : transitions(seen.breaker, breaker)) {
      tell(seen.where, "circuit breaker " + std::string(state));
    }
    seen.breaker = breaker;
  };
  for (std::size_t i = 0; i < upstreams_.size(); ++i) {
    SeenUpstream& seen = upstreams_[i];
    auto live = sidecar_.state(i).live(now);
    for (std::size_t j = 0; j < live.endpoints.size(); ++j) {
      const auto& endpoint = live.endpoints[j];
      if (endpoint.state == seen.endpoints[j].state) continue;
      const std::string where = seen.where + " " + endpoint.address;
      if (endpoint.state == "ejected") {
        tell(where, "ejected (" + detectors(seen.ejections, live.ejections) + ")");
      } else if (endpoint.state == "probation") {
        tell(where, "on probation");
      } else {
        tell(where, "is back");
      }
    }
    seen.endpoints = std::move(live.endpoints);
    seen.ejections = std::move(live.ejections);
    tell_breaker(seen, live.breaker);
  }
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    tell_breaker(routes_[i], sidecar_.route_state(i).live(now).breaker);
  }
}

}  // namespace outrigger::simulation
