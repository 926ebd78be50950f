// A configuration as the rules look at it: routes and upstreams with their paths, who uses whom,
// and what was written as opposed to inherited or left at its default.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "config/model.h"
#include "proxy/lint/lint.h"

namespace outrigger::lint {

using config::Duration;

// A route that asks an upstream.
struct RouteAt {
  const config::Listener& listener;
  const config::Route& route;
  std::string listener_path;
  std::string path;

  // Its upstream, or those of its split, in this order.
  std::vector<std::string> upstreams() const;
  int max_retries() const { return route.retry ? route.retry->max_retries : 0; }
  // Retries and hedges of one request at most.
  int extra_tries() const {
    return max_retries() + (route.hedge ? static_cast<int>(route.hedge->max) : 0);
  }
};

struct UpstreamAt {
  const config::Upstream& upstream;
  std::string path;

  // How many endpoints there are; empty where host names decide.
  std::optional<std::size_t> endpoint_count() const;
};

class Subject {
 public:
  // All of them outlive it.
  Subject(const config::Config& config, const config::Places& places,
          const Surroundings& surroundings);

  const config::Config& config() const { return config_; }
  const config::Places& places() const { return places_; }
  const Surroundings& surroundings() const { return surroundings_; }
  const std::vector<RouteAt>& routes() const { return routes_; }
  const std::vector<UpstreamAt>& upstreams() const { return upstreams_; }

  // Null where there is none.
  const config::Upstream* upstream(std::string_view name) const;
  // The routes whose requests go there, save for fallbacks and mirrors.
  const std::vector<const RouteAt*>& users(std::string_view name) const;
  // A route leads there in any way.
  bool is_used(std::string_view name) const { return used_.contains(name); }

  // Written, at the path itself or in the defaults.
  bool given(const std::string& path) const { return places_.contains(path); }
  // Written at the route or upstream itself. `key` as in "retry.methods".
  bool own(const RouteAt& at, const std::string& key) const;
  bool own(const UpstreamAt& at, const std::string& key) const;
  // Of the two paths the first that was written, else the second.
  std::string written(const std::string& path, const std::string& else_path) const {
    return given(path) ? path : else_path;
  }
  // A text in quotes, unless it comes from the environment and might be a secret.
  std::string shown(const std::string& path, std::string_view text) const;

 private:
  bool own(const std::string& path, const std::string& inherited_from) const;

  const config::Config& config_;
  const config::Places& places_;
  const Surroundings& surroundings_;
  std::vector<RouteAt> routes_;
  std::vector<UpstreamAt> upstreams_;
  std::map<std::string_view, const config::Upstream*> by_name_;
  std::map<std::string, std::vector<const RouteAt*>, std::less<>> users_;
  std::set<std::string, std::less<>> used_;
};

// As duration_text, but seconds with a fraction rather than many milliseconds.
std::string time_text(Duration time);
// "1 route", "2 routes".
std::string counted(std::size_t count, const std::string& what);

// "upstreams.NAME".
std::string path_of(const config::Upstream& upstream);
std::string item(const std::string& path, std::size_t index);

}  // namespace outrigger::lint
