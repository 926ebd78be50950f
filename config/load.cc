#include "config/load.h"

#include <cstring>

#include "config/describe.h"
#include "config/document.h"
#include "config/validate.h"

namespace outrigger::config {
namespace {

const Yaml* map_in(const Yaml* node, std::string_view key) {
  const Yaml* found = node ? node->find(key) : nullptr;
  return found && found->kind == Yaml::Kind::Map ? found : nullptr;
}

std::string at(const std::string& path, std::size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

// Defaults that follow from other keys.
class Derivation {
 public:
  Derivation(Config& config, const Places& places) : config_(config), places_(places) {}

  void run() {
    for (std::size_t i = 0; i < config_.listeners.size(); ++i) {
      derive(config_.listeners[i], i, at("listeners", i));
    }
  }

 private:
  bool given(const std::string& path) const { return places_.contains(path); }

  void derive(Listener& listener, std::size_t index, const std::string& path) {
    if (!given(path + ".name")) listener.name = "listener-" + std::to_string(index);
    const bool inbound = listener.direction == Direction::Inbound;
    if (!given(path + ".forwarded")) {
      listener.forwarded = inbound ? Forwarded::Append : Forwarded::Pass;
    }
    if (!given(path + ".path_dots")) {
      listener.path_dots = inbound ? PathDots::Reject : PathDots::Allow;
    }
    for (std::size_t i = 0; i < listener.routes.size(); ++i) {
      auto& limit = listener.routes[i].rate_limit;
      if (limit) derive(*limit, at(path + ".routes", i) + ".rate_limit.");
    }
    const std::string route_name = at(path + ".routes", 0) + ".name";
    if (listener.routes.size() != 1 || given(route_name)) return;
    listener.routes[0].name = listener.name;
    if (config_.from_environment.contains(path + ".name")) {
      config_.from_environment.insert(route_name);
    }
  }

  void derive(RateLimit& limit, const std::string& path) {
    if (limit.burst) return;
    limit.burst = limit.requests;
    if (config_.from_environment.contains(path + "requests")) {
      config_.from_environment.insert(path + "burst");
    }
  }

  Config& config_;
  const Places& places_;
};

Loaded load_tree(const Yaml& root, const std::string& file, Diagnostics& diagnostics,
                 Places* places) {
  Reader in{diagnostics};
  in.route_defaults = map_in(root.find("defaults"), "route");
  in.upstream_defaults = map_in(root.find("defaults"), "upstream");

  Config config;
  config.file = file;
  Block<Config>{}.read(in, root, config);
  config.from_environment = in.take_from_environment();
  Derivation{config, in.places()}.run();
  validate(config, in, diagnostics);
  if (!diagnostics.empty()) return diagnostics.take();
  if (places) *places = in.take_places();
  return config;
}

Loaded whole_file_error(std::string message) {
  return std::vector<Diagnostic>{{0, 0, "", std::move(message)}};
}

}  // namespace

Loaded load_file(const std::string& path, const Environment& environment, Places* places) try {
  const auto text = read_file(path);
  if (!text) return whole_file_error(std::string{"cannot be read: "} + std::strerror(text.error()));
  return load_text(text.value(), path, environment, places);
} catch (const std::exception& error) {
  return whole_file_error(std::string{"cannot be loaded: "} + error.what());
}

Loaded load_text(std::string_view text, const std::string& file, const Environment& environment,
                 Places* places) try {
  Diagnostics diagnostics;
  const auto root = parse_document(text, environment, diagnostics);
  if (!root) return diagnostics.take();
  return load_tree(*root, file, diagnostics, places);
} catch (const std::exception& error) {
  return whole_file_error(std::string{"cannot be loaded: "} + error.what());
}

LoadedFault load_fault(std::string_view text) try {
  Diagnostics diagnostics;
  const auto root = read_yaml(text, diagnostics);
  if (!root) return diagnostics.take();
  Reader in{diagnostics};
  Fault fault;
  Block<Fault>{}.read(in, *root, fault);
  if (!diagnostics.empty()) return diagnostics.take();
  return fault;
} catch (const std::exception& error) {
  return std::vector<Diagnostic>{{0, 0, "", std::string{"cannot be read: "} + error.what()}};
}

}  // namespace outrigger::config
