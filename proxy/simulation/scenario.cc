#include "proxy/simulation/scenario.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include "config/document.h"
#include "config/load.h"
#include "proxy/base/check.h"
#include "proxy/simulation/describe_scenario.h"
#include "proxy/simulation/request_shape.h"

namespace outrigger::simulation {
namespace {

using config::Diagnostics;
using config::in_quotes;
using config::Location;

std::string at(const char* list, std::size_t index, const char* key = "") {
  return std::string(list) + "[" + std::to_string(index) + "]" + (*key ? "." : "") + key;
}

std::size_t index_of(const config::Config& config, const std::string& upstream) {
  const auto found = std::ranges::find(config.upstreams, upstream, &config::Upstream::name);
  return static_cast<std::size_t>(found - config.upstreams.begin());
}

std::string folder_of(const std::string& file) {
  const auto slash = file.rfind('/');
  return slash == std::string::npos ? "" : file.substr(0, slash + 1);
}

// What the whole file says together, once each block is fine by itself.
class PlanMaker {
 public:
  PlanMaker(Plan& plan, const Reader& read, const config::Environment& environment,
            Diagnostics& diagnostics)
      : plan_(plan), read_(read), environment_(environment), diagnostics_(diagnostics) {}

  void run() {
    for (std::size_t i = 0; i < scenario().hops.size(); ++i) {
      if (!add_hop(i)) return;  // the others hang on it
    }
    for (std::size_t i = 0; i < scenario().callers.size(); ++i) add_callers(i);
    if (scenario().callers.empty()) fail({1, 1}, "callers", "empty (expected who asks)");
    if (scenario().phases.empty()) fail({1, 1}, "phases", "empty (expected what happens)");
    check_changes(scenario().endpoints, "endpoints");
    for (std::size_t i = 0; i < scenario().phases.size(); ++i) check_phase(i);
    check_requests();
  }

 private:
  Scenario& scenario() { return plan_.scenario; }

  void fail(Location fallback, const std::string& path, std::string message) {
    const auto& places = read_.places();
    const auto place = places.find(path);
    diagnostics_.add(place == places.end() ? fallback : place->second, path, std::move(message));
  }

  bool add_hop(std::size_t i) {
    const Hop& hop = scenario().hops[i];
    if (i == kMaxHops) {
      fail(hop.location, at("hops", i), "more than " + std::to_string(kMaxHops) + " hops");
      return false;
    }
    const config::Config& before = *plan_.configs.back();
    if (index_of(before, hop.upstream) == before.upstreams.size()) {
      fail(hop.location, at("hops", i, "upstream"), no_upstream(before, hop.upstream));
      return false;
    }
    const std::string file =
        hop.config.starts_with("/") ? hop.config : folder_of(plan_.file) + hop.config;
    auto loaded = config::load_file(file, environment_);
    if (!loaded) {
      const std::string first = config::to_text(file, loaded.error().front());
      fail(hop.location, at("hops", i, "config"), "is no configuration: " + first);
      return false;
    }
    plan_.configs.push_back(std::make_shared<const config::Config>(std::move(loaded.value())));
    const auto shape = shape_for(*plan_.configs.back(), {.route = hop.route});
    if (!shape) {
      fail(hop.location, at("hops", i, "route"), shape.error());
      return false;
    }
    plan_.hops.push_back(shape.value());
    return true;
  }

  static std::string no_upstream(const config::Config& config, const std::string& name) {
    std::vector<std::string_view> names;
    for (const auto& upstream : config.upstreams) names.push_back(upstream.name);
    const std::string near = config::did_you_mean(name, names);
    return "no upstream " + in_quotes(name) + " in " + config.file + " (" +
           (near.empty() ? "expected " + config::one_of(names) : near) + ")";
  }

  void add_callers(std::size_t i) {
    const Callers& callers = scenario().callers[i];
    const auto shape = shape_for(*plan_.configs.front(), callers);
    if (!shape) return fail(callers.location, at("callers", i, "route"), shape.error());
    plan_.callers.push_back(shape.value());
  }

  void check_phase(std::size_t i) {
    const Phase& phase = scenario().phases[i];
    check_changes(phase.endpoints, at("phases", i, "endpoints"));
    for (std::size_t j = 0; j < phase.callers.size(); ++j) {
      const RateChange& change = phase.callers[j];
      const bool known = !change.route || std::ranges::any_of(scenario().callers, [&](auto& each) {
        return each.route == change.route;
      });
      if (known) continue;
      fail(change.location, at(at("phases", i, "callers").c_str(), j, "route"),
           "no callers of route " + in_quotes(*change.route) + " above");
    }
  }

  void check_changes(const std::vector<EndpointChange>& changes, const std::string& path) {
    for (std::size_t i = 0; i < changes.size(); ++i) {
      if (picks_something(changes[i])) continue;
      fail(changes[i].location, at(path.c_str(), i),
           "no endpoint is picked by it" + why(changes[i]));
    }
  }

  bool picks_something(const EndpointChange& change) {
    for (std::size_t hop = 0; hop < plan_.configs.size(); ++hop) {
      for (const auto& upstream : plan_.configs[hop]->upstreams) {
        for (const auto& endpoint : upstream.endpoints) {
          if (picks(change, hop, upstream.name, endpoint.address)) return true;
        }
      }
    }
    return false;
  }

  // The part that nothing has.
  std::string why(const EndpointChange& change) {
    if (change.hop && *change.hop >= plan_.configs.size()) {
      return " (the last hop is " + std::to_string(plan_.configs.size() - 1) + ")";
    }
    std::vector<std::string_view> upstreams, addresses;
    for (const auto& config : plan_.configs) {
      for (const auto& upstream : config->upstreams) {
        upstreams.push_back(upstream.name);
        for (const auto& endpoint : upstream.endpoints) addresses.push_back(endpoint.address);
      }
    }
    const auto hint = [](const std::string& word, const auto& known) {
      if (std::ranges::find(known, word) != known.end()) return std::string();
      const std::string near = config::did_you_mean(word, known);
      return " (" + (near.empty() ? "expected " + config::one_of(known) : near) + ")";
    };
    std::string text;
    if (change.upstream) text = hint(*change.upstream, upstreams);
    if (change.address && text.empty()) text = hint(*change.address, addresses);
    return text;
  }

  void check_requests() {
    double requests = 0;
    for (const Phase& phase : scenario().phases) {
      for (const Callers& callers : scenario().callers) {
        requests += rate_in(phase, callers) * seconds(phase.duration);
      }
    }
    if (requests <= kMaxRequests) return;
    fail({1, 1}, "phases",
         "about " + std::to_string(static_cast<std::uint64_t>(requests)) +
             " requests (expected at most " +
             std::to_string(static_cast<std::uint64_t>(kMaxRequests)) + ")");
  }

  Plan& plan_;
  const Reader& read_;
  const config::Environment& environment_;
  Diagnostics& diagnostics_;
};

Planned whole_file_error(std::string message) {
  return std::vector<config::Diagnostic>{{0, 0, "", std::move(message)}};
}

}  // namespace

// Kinds that only a scenario has.

void StatusShares::read(Reader& in, const Yaml& node, std::vector<StatusShare>& out) const {
  if (node.kind != Yaml::Kind::Map) return in.expected(node, expected());
  double sum = 0;
  for (const Yaml& item : node.items) {
    const auto step = in.into(item.key);
    const auto status = config::parse_whole(item.key);
    if (!status || status.value() < 200 || status.value() > 599) {
      in.fail(item.key_at, "no status (expected a number from 200 to 599)");
      continue;
    }
    StatusShare share{.status = static_cast<int>(status.value())};
    config::read(in, item, kPercent, share.percent);
    sum += share.percent;
    out.push_back(share);
  }
  if (sum > 100) in.fail(node.at, "more than 100 percent together");
}

void MethodWeights::read(Reader& in, const Yaml& node, Weights& out) const {
  if (node.kind != Yaml::Kind::Map) return in.expected(node, expected());
  double sum = 0;
  for (const Yaml& item : node.items) {
    const auto step = in.into(item.key);
    std::string method = item.key;
    if (const auto wrong = config::check_method(method)) {
      in.fail(item.key_at, "no method (expected " + std::string(config::kMethod.expected) + ")");
      continue;
    }
    double weight = 0;
    config::read(in, item, Decimal{0, 1e6}, weight);
    sum += weight;
    out.emplace_back(std::move(method), weight);
  }
  if (sum == 0) in.fail(node.at, "no method has a weight (expected " + expected() + ")");
}

void check_block(Reader& in, const Yaml& node, const Latency& latency) {
  const int forms = (latency.fixed ? 1 : 0) + (latency.min || latency.max ? 1 : 0) +
                    (latency.mean ? 1 : 0) + (latency.p50 || latency.p99 ? 1 : 0);
  const bool whole = latency.min.has_value() == latency.max.has_value() &&
                     latency.p50.has_value() == latency.p99.has_value();
  if (forms != 1 || !whole) {
    return in.fail(node.at, "expected one of fixed, min and max, mean, p50 and p99");
  }
  if (latency.min && *latency.min > *latency.max) in.fail(node.at, "min is above max");
  if (latency.p50 && *latency.p50 == Duration{}) in.fail(node.at, "p50 is 0");
  if (latency.p50 && *latency.p50 > *latency.p99) in.fail(node.at, "p50 is above p99");
}

// The plan.

std::size_t Plan::upstream_of_hop(std::size_t hop) const {
  return index_of(*configs[hop], scenario.hops[hop].upstream);
}

double rate_in(const Phase& phase, const Callers& callers) {
  double rate = callers.rate;
  for (const RateChange& change : phase.callers) {
    if (!change.route || change.route == callers.route) rate = change.rate;
  }
  return rate;
}

bool picks(const EndpointChange& change, std::size_t hop, const std::string& upstream,
           const std::string& address) {
  return (!change.hop || *change.hop == hop) &&
         (!change.upstream || *change.upstream == upstream) &&
         (!change.address || *change.address == address);
}

void apply(const EndpointChange& change, Behaviour& behaviour) {
  const auto override_with = [](const auto& from, auto& to) {
    if (from) to = *from;
  };
  override_with(change.latency, behaviour.latency);
  override_with(change.statuses, behaviour.statuses);
  override_with(change.refuse_percent, behaviour.refuse_percent);
  override_with(change.unreachable_percent, behaviour.unreachable_percent);
  override_with(change.reset_percent, behaviour.reset_percent);
  override_with(change.hang_percent, behaviour.hang_percent);
  override_with(change.break_percent, behaviour.break_percent);
  override_with(change.elsewhere_percent, behaviour.elsewhere_percent);
  override_with(change.capacity, behaviour.capacity);
}

Planned load_plan(const std::string& file, std::shared_ptr<const config::Config> config,
                  const config::Environment& environment) try {
  const auto text = config::read_file(file);
  if (!text) return whole_file_error(std::string("cannot be read: ") + std::strerror(text.error()));
  Diagnostics diagnostics;
  const auto root = config::parse_document(text.value(), environment, diagnostics);
  if (!root) return diagnostics.take();
  Plan plan{.file = file, .configs = {std::move(config)}};
  Reader in{diagnostics};
  Block<Scenario>{}.read(in, *root, plan.scenario);
  if (diagnostics.empty()) PlanMaker{plan, in, environment, diagnostics}.run();
  if (!diagnostics.empty()) return diagnostics.take();
  return plan;
} catch (const std::exception& error) {
  return whole_file_error(std::string("cannot be loaded: ") + error.what());
}

}  // namespace outrigger::simulation
