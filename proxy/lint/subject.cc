#include "proxy/lint/subject.h"

#include <algorithm>

#include "config/address.h"
#include "config/quantity.h"

namespace outrigger::lint {
namespace {

bool is_one_address(const config::Endpoint& endpoint) {
  const auto address = config::parse_address(endpoint.address);
  return address && (address.value().is_unix() || address.value().is_literal());
}

}  // namespace

std::string time_text(Duration time) {
  const std::string text = config::duration_text(time);
  if (!text.ends_with("ms") || time < std::chrono::seconds(1)) return text;
  return config::decimal_text(std::chrono::duration<double>(time).count()) + "s";
}

std::string counted(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string path_of(const config::Upstream& upstream) {
  return "upstreams." + upstream.name;
}

std::string item(const std::string& path, std::size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

std::vector<std::string> RouteAt::upstreams() const {
  if (route.upstream) return {*route.upstream};
  std::vector<std::string> names;
  if (!route.split) return names;
  for (const auto& target : route.split->to) names.push_back(target.upstream);
  return names;
}

std::optional<std::size_t> UpstreamAt::endpoint_count() const {
  if (!std::ranges::all_of(upstream.endpoints, is_one_address)) return std::nullopt;
  return upstream.endpoints.size();
}

Subject::Subject(const config::Config& config, const config::Places& places,
                 const Surroundings& surroundings)
    : config_(config), places_(places), surroundings_(surroundings) {
  for (const auto& upstream : config.upstreams) {
    upstreams_.push_back({upstream, path_of(upstream)});
    by_name_.emplace(upstream.name, &upstream);
  }
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    const auto& listener = config.listeners[i];
    const std::string path = item("listeners", i);
    for (std::size_t j = 0; j < listener.routes.size(); ++j) {
      if (!listener.routes[j].forwards()) continue;
      routes_.push_back({listener, listener.routes[j], path, item(path + ".routes", j)});
    }
  }
  for (const RouteAt& at : routes_) {
    for (const std::string& name : at.upstreams()) {
      users_[name].push_back(&at);
      used_.insert(name);
    }
    if (at.route.fallback && at.route.fallback->upstream)
      used_.insert(*at.route.fallback->upstream);
    if (at.route.mirror) used_.insert(at.route.mirror->upstream);
  }
}

const config::Upstream* Subject::upstream(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

const std::vector<const RouteAt*>& Subject::users(std::string_view name) const {
  static const std::vector<const RouteAt*> kNone;
  const auto found = users_.find(name);
  return found == users_.end() ? kNone : found->second;
}

bool Subject::own(const RouteAt& at, const std::string& key) const {
  return own(at.path + "." + key, "defaults.route." + key);
}

bool Subject::own(const UpstreamAt& at, const std::string& key) const {
  return own(at.path + "." + key, "defaults.upstream." + key);
}

// What is inherited keeps the place where it was written.
bool Subject::own(const std::string& path, const std::string& inherited_from) const {
  const auto here = places_.find(path);
  if (here == places_.end()) return false;
  const auto there = places_.find(inherited_from);
  return there == places_.end() || here->second.line != there->second.line ||
         here->second.column != there->second.column;
}

std::string Subject::shown(const std::string& path, std::string_view text) const {
  return config_.from_environment.contains(path) ? "(from the environment)"
                                                 : config::in_quotes(text);
}

}  // namespace outrigger::lint
