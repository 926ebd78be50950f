// What the configuration is to the request path: compiled once per load, immutable, shared by all
// workers (Snapshot), and the same bound to one worker's clusters and observer (Scope).
//
// A reload makes a new Snapshot; an exchange ends with the Scope it began with.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"
#include "proxy/base/buffered_bytes.h"
#include "proxy/base/random.h"
#include "proxy/exchange/deadline.h"
#include "proxy/exchange/mirror.h"
#include "proxy/exchange/path_rewrite.h"
#include "proxy/exchange/ports.h"
#include "proxy/exchange/record.h"
#include "proxy/exchange/route_state.h"
#include "proxy/exchange/route_table.h"
#include "proxy/http/header_edits.h"
#include "proxy/policy/attempt_plan.h"
#include "proxy/policy/split_choice.h"

namespace outrigger::exchange {

// One of the upstreams that share a route.
struct RouteTarget {
  std::uint32_t upstream = kNoIndex;
  policy::PlanSettings plan;
};

// A route, ready to be used.
struct Route {
  const config::Route* config = nullptr;
  std::uint32_t index = kNoIndex;     // over all listeners: the record's and the metrics' index
  std::uint32_t upstream = kNoIndex;  // into Scope::upstreams
  std::uint32_t fallback = kNoIndex;  // fallback.upstream, likewise
  std::uint32_t mirror = kNoIndex;    // mirror.upstream, likewise
  std::vector<RouteTarget> targets;   // one, or those of a split
  std::optional<policy::SplitChoice> split;  // among them; then `upstream` is the first's
  // retry; the default one where that is off.
  policy::RetryRule repeat_rule{config::Retry{}};
  std::optional<PathRewrite> path_rewrite;
  std::optional<http::HeaderEdits> request_edits;
  std::optional<http::HeaderEdits> response_edits;
  std::shared_ptr<RouteState> state;

  const policy::PlanSettings& plan_for(std::uint32_t target) const;
};

struct ListenerRoutes {
  const config::Listener* config = nullptr;
  std::uint32_t index = kNoIndex;
  DeadlineHeaders deadline_headers;
  RouteTable table;
  std::vector<Route> routes;  // as table.find() counts them
};

struct Snapshot {
  std::shared_ptr<const config::Config> config;
  std::vector<std::unique_ptr<const ListenerRoutes>> listeners;
};

// `state_for` gives the shared state of a route, kept over reloads by its name.
template <class StateFor>
std::shared_ptr<const Snapshot> compile(std::shared_ptr<const config::Config> config,
                                        const StateFor& state_for);

// One worker's view. Counts its exchanges without atomics: it may go when `users` is 0 and a
// newer one is in force.
struct Scope {
  std::shared_ptr<const Snapshot> snapshot;
  std::vector<Upstream*> upstreams;  // in the configuration's order
  std::unique_ptr<Observer> observer;
  Random* random = nullptr;
  Scheduler* scheduler = nullptr;
  Mirrors* mirrors = nullptr;         // none: nothing is mirrored
  LoadMeter* load_meter = nullptr;    // null: nothing is shed
  BufferedBytes* buffered = nullptr;  // null: not counted
  bool detailed = false;              // records also have what only an access log asks for
  std::uint32_t users = 0;

  std::string_view name_of(std::uint32_t upstream) const {
    return snapshot->config->upstreams[upstream].name;
  }
};

DeadlineHeaders deadline_headers(const config::Listener& listener);
// `name` is one of them: validate.h has refused a dangling one.
std::uint32_t index_of_upstream(const config::Config& config, const std::string& name);
policy::PlanSettings compile_plan(const config::Route& route, const config::Upstream& upstream);
// Fills in what a route that asks an upstream does with a request.
void compile_actions(const config::Config& config, Route& route);

template <class StateFor>
std::shared_ptr<const Snapshot> compile(std::shared_ptr<const config::Config> config,
                                        const StateFor& state_for) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->config = config;
  std::uint32_t next_route = 0;
  for (const auto& listener : config->listeners) {
    auto compiled = std::make_unique<ListenerRoutes>(
        ListenerRoutes{.config = &listener,
                       .index = static_cast<std::uint32_t>(snapshot->listeners.size()),
                       .deadline_headers = deadline_headers(listener),
                       .table = RouteTable(listener.routes)});
    for (const auto& route : listener.routes) {
      Route& made = compiled->routes.emplace_back();
      made.config = &route;
      made.index = next_route++;
      made.state = state_for(route);
      if (route.forwards()) compile_actions(*config, made);
    }
    snapshot->listeners.push_back(std::move(compiled));
  }
  return snapshot;
}

}  // namespace outrigger::exchange
