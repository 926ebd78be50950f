#include "proxy/simulation/request_shape.h"

#include <algorithm>
#include <optional>

#include "config/diagnostic.h"
#include "proxy/exchange/route_table.h"
#include "proxy/http/headers.h"

namespace outrigger::simulation {
namespace {

using config::HeaderMatch;
using config::Match;

struct Found {
  std::size_t listener;
  std::size_t index;
  const config::Route* route;
};

std::vector<Found> forwarding_routes(const config::Config& config) {
  std::vector<Found> found;
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    const auto& routes = config.listeners[i].routes;
    for (std::size_t j = 0; j < routes.size(); ++j) {
      if (routes[j].forwards()) found.push_back({i, j, &routes[j]});
    }
  }
  return found;
}

std::string hint(const std::vector<Found>& routes, std::string_view wanted) {
  std::vector<std::string_view> names;
  for (const Found& each : routes) names.push_back(each.route->name);
  const std::string near = config::did_you_mean(wanted, names);
  return near.empty() ? "expected " + config::one_of(names) : near;
}

class ShapeHeaders final : public exchange::HeaderLookup {
 public:
  explicit ShapeHeaders(const RequestShape& shape) : shape_(shape) {}
  bool any(std::string_view name, const Predicate& matches) const override {
    return std::ranges::any_of(shape_.headers, [&](const auto& field) {
      return http::equals_ignore_case(field.first, name) && matches(field.second);
    });
  }

 private:
  const RequestShape& shape_;
};

// A query that the route's conditions on parameters hold for.
std::string query_for(const Match& match) {
  std::string query;
  for (const config::QueryMatch& each : match.query) {
    if (each.kind == HeaderMatch::Kind::Absent) continue;
    query += (query.empty() ? "" : "&") + each.name + "=" +
             (each.kind == HeaderMatch::Kind::Present ? "1" : each.value);
  }
  return query;
}

void add_header(const HeaderMatch& match, RequestShape& shape) {
  const bool given = ShapeHeaders(shape).any(match.name, [](std::string_view) { return true; });
  if (given || match.kind == HeaderMatch::Kind::Absent) return;
  shape.headers.emplace_back(match.name,
                             match.kind == HeaderMatch::Kind::Present ? "1" : match.value);
}

std::string host_for(const Match& match) {
  if (match.hosts.empty()) return "simulated";
  const std::string& first = match.hosts.front();
  return first.starts_with("*") ? "simulated" + first.substr(1) : first;
}

std::string path_for(const Match& match) {
  const bool literal =
      match.path_kind == Match::PathKind::Exact || match.path_kind == Match::PathKind::Prefix;
  return literal ? match.path : "/";
}

}  // namespace

Result<RequestShape, std::string> shape_for(const config::Config& config, const Callers& wanted) {
  const auto routes = forwarding_routes(config);
  if (routes.empty()) return std::string("no route has an upstream");
  const std::string name = wanted.route.value_or("");
  const auto found = std::ranges::find_if(
      routes, [&](const Found& each) { return !wanted.route || each.route->name == name; });
  if (found == routes.end()) {
    return "no route " + config::in_quotes(name) + " with an upstream (" + hint(routes, name) + ")";
  }
  if (!wanted.route && routes.size() > 1) {
    return "which route? (" + hint(routes, "") + ")";
  }
  const Match& match = found->route->match;
  RequestShape shape{.listener = found->listener,
                     .method = match.methods.empty() ? "GET" : match.methods.front(),
                     .host = wanted.host.value_or(host_for(match)),
                     .path = wanted.path.value_or(path_for(match)),
                     .query = query_for(match),
                     .headers = wanted.headers};
  shape.target = shape.path + (shape.query.empty() ? "" : "?") + shape.query;
  for (const HeaderMatch& header : match.headers) add_header(header, shape);
  const exchange::RouteTable table(config.listeners[found->listener].routes);
  const auto takes = [&](std::string_view method) {
    return table.find({.host = shape.host,
                       .path = shape.path,
                       .method = method,
                       .headers = ShapeHeaders(shape),
                       .query = shape.query}) == found->index;
  };
  const std::string route = "route " + config::in_quotes(found->route->name);
  if (!takes(shape.method)) {
    return route +
           " does not take the request made up for it (give host, path or headers that it "
           "matches)";
  }
  for (const auto& [method, weight] : wanted.methods) {
    if (!takes(method)) return route + " does not take the method " + config::in_quotes(method);
  }
  return shape;
}

}  // namespace outrigger::simulation
