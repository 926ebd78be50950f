// What a scenario file can say: who asks, how the endpoints behave, how that changes with time,
// and which upstreams are other outriggers. The keys are explained in config/examples/scenarios.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/diagnostic.h"
#include "config/environment.h"
#include "config/model.h"
#include "proxy/base/result.h"
#include "proxy/simulation/behaviour.h"

namespace outrigger::simulation {

enum class Arrivals { Poisson, Constant };

using Weights = std::vector<std::pair<std::string, double>>;

// Callers of one route of the first configuration. The request is made to fit the route; what
// cannot be guessed from its match (a regular expression) is given here.
struct Callers {
  std::optional<std::string> route;  // empty: the only one that has an upstream
  double rate = 0;                   // requests a second
  Arrivals arrivals = Arrivals::Poisson;
  Weights methods;  // empty: one that the route matches
  std::optional<std::string> host;
  std::optional<std::string> path;
  std::vector<std::pair<std::string, std::string>> headers;
  config::Location location;
};

// Overrides what it names, of the endpoints that it picks; later ones win.
struct EndpointChange {
  std::optional<std::uint32_t> hop;     // empty: all
  std::optional<std::string> upstream;  // likewise
  std::optional<std::string> address;   // likewise
  std::optional<Latency> latency;
  std::optional<std::vector<StatusShare>> statuses;
  std::optional<double> refuse_percent;
  std::optional<double> unreachable_percent;
  std::optional<double> reset_percent;
  std::optional<double> hang_percent;
  std::optional<double> break_percent;
  std::optional<double> elsewhere_percent;
  std::optional<Capacity> capacity;
  config::Location location;
};

struct RateChange {
  std::optional<std::string> route;  // empty: all
  double rate = 0;
  config::Location location;
};

struct Phase {
  std::string name;
  Duration duration{};
  std::vector<EndpointChange> endpoints;
  std::vector<RateChange> callers;
  config::Location location;
};

// The endpoints of `upstream`, in the configuration before it in the chain, are services that ask
// on through an outrigger of their own each, with the configuration `config`.
struct Hop {
  std::string upstream;
  std::string config;                // a file, from the scenario's folder
  std::optional<std::string> route;  // of that configuration; empty: the only one
  bool pass_headers = true;          // the service passes x-outrigger-attempt and deadlines on
  config::Location location;
};

struct Scenario {
  std::uint64_t seed = 1;
  std::vector<Callers> callers;
  std::vector<EndpointChange> endpoints;
  std::vector<Phase> phases;
  std::vector<Hop> hops;
};

// A request that a route takes.
struct RequestShape {
  std::size_t listener = 0;
  std::string method;
  std::string host;
  std::string path;
  std::string query;
  std::string target;  // path and query
  std::vector<std::pair<std::string, std::string>> headers;
};

// A scenario with all that it refers to, found and checked.
struct Plan {
  std::string file;
  Scenario scenario;
  std::vector<std::shared_ptr<const config::Config>> configs;  // by hop; 0: the one given
  std::vector<RequestShape> callers;                           // as Scenario::callers
  std::vector<RequestShape> hops;  // what the services of hop i ask hop i + 1

  std::size_t upstream_of_hop(std::size_t hop) const;  // index into configs[hop]'s upstreams
};

using Planned = Result<Plan, std::vector<config::Diagnostic>>;

Planned load_plan(const std::string& file, std::shared_ptr<const config::Config> config,
                  const config::Environment& environment);

// What these callers ask a second in that phase.
double rate_in(const Phase& phase, const Callers& callers);
// Whether the change is about this endpoint.
bool picks(const EndpointChange& change, std::size_t hop, const std::string& upstream,
           const std::string& address);
void apply(const EndpointChange& change, Behaviour& behaviour);

// Bounds.
inline constexpr double kMaxRequests = 20e6;  // of callers, in all phases together
inline constexpr std::size_t kMaxHops = 4;

}  // namespace outrigger::simulation
