// Notices what changes at one outrigger: ejections and returns of endpoints, transitions of
// breakers. It looks at the live state now and then, as a scrape does.
#pragma once

#include <string>
#include <vector>

#include "proxy/exchange/live_state.h"
#include "proxy/simulation/report.h"
#include "proxy/simulation/sidecar.h"

namespace outrigger::simulation {

class Watch {
 public:
  // `name` comes before what is told; empty where there is one outrigger only.
  Watch(Sidecar& sidecar, std::string name, TimePoint now);

  // Adds what is new since the last look.
  void look(TimePoint now, Duration since_start, std::vector<Happening>& out);

 private:
  struct Seen {
    std::string where;
    exchange::BreakerLive breaker;
  };
  struct SeenUpstream : Seen {
    std::vector<exchange::EndpointLive> endpoints;
    std::vector<exchange::LabelledCount> ejections;
  };

  Sidecar& sidecar_;
  std::vector<SeenUpstream> upstreams_;
  std::vector<Seen> routes_;  // by index; those without a breaker never change
};

}  // namespace outrigger::simulation
