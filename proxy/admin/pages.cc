#include "proxy/admin/pages.h"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

namespace outrigger::admin {
namespace {

using Json = nlohmann::ordered_json;

double milliseconds(Duration d) {
  return seconds(d) * 1000;
}

Json breaker_json(const exchange::BreakerLive& breaker) {
  if (!breaker.present) return nullptr;
  return {
      {"state", label(breaker.state)},
      {"by_hand", breaker.by_hand == policy::CircuitByHand::Auto ? Json() : label(breaker.by_hand)},
      {"mode", breaker.observe ? "observe" : "enforce"},
      {"window", {{"successes", breaker.window_successes}, {"failures", breaker.window_failures}}},
      {"consecutive_failures", breaker.consecutive_failures},
      {"retry_after_seconds", seconds(breaker.retry_after)},
      {"rejected", breaker.rejected}};
}

Json adaptive_json(const exchange::AdaptiveLive& adaptive) {
  if (!adaptive.present) return nullptr;
  return {{"mode", adaptive.observe ? "observe" : "enforce"},
          {"limit", adaptive.limit},
          {"requests_in_flight", adaptive.in_flight},
          {"requests_waiting", adaptive.waiting},
          {"short_rtt_ms", milliseconds(adaptive.short_rtt)},
          {"long_rtt_ms", milliseconds(adaptive.long_rtt)},
          {"observed_beyond", adaptive.observed_beyond}};
}

Json counts_json(const std::vector<exchange::LabelledCount>& counts) {
  Json json = Json::object();
  for (const auto& each : counts) json[each.label] = each.count;
  return json;
}

Json swept_json(const exchange::EndpointLive::Swept& swept) {
  const std::uint32_t tries = swept.successes + swept.failures;
  return {{"tries", tries},
          {"success_rate_percent", tries > 0 ? Json(100.0 * swept.successes / tries) : Json()},
          {"p95_ms", swept.p95 > Duration{} ? Json(milliseconds(swept.p95)) : Json()}};
}

Json health_json(const exchange::HealthLive& health) {
  if (!health.present) return nullptr;
  Json json = {{"healthy", health.healthy}, {"last_result", nullptr}};
  if (health.result.empty()) return json;
  json["last_result"] = health.result;
  json["reason"] = health.reason;
  json["consecutive"] = health.consecutive;
  json["seconds_ago"] = seconds(health.ago);
  return json;
}

Json endpoint_json(const exchange::EndpointLive& endpoint) {
  return {{"address", endpoint.address},
          {"configured", endpoint.configured},
          {"state", endpoint.state},
          {"by_hand", endpoint.by_hand},
          {"draining", endpoint.draining},
          {"weight", endpoint.weight},
          {"weight_now", endpoint.weight_now},
          {"zone", endpoint.zone},
          {"priority", endpoint.priority},
          {"requests_in_flight", endpoint.in_flight},
          {"connections_in_use", endpoint.connections},
          {"tries", endpoint.tries},
          {"failures", endpoint.failures},
          {"latency_ms", milliseconds(endpoint.latency)},
          {"ejected_for_seconds", seconds(endpoint.ejected_for)},
          {"consecutive_ejections", endpoint.ejections},
          {"last_sweep", swept_json(endpoint.swept)},
          {"health_check", health_json(endpoint.health)}};
}

Json upstream_json(const exchange::UpstreamLive& upstream) {
  Json endpoints = Json::array();
  for (const auto& endpoint : upstream.endpoints) endpoints.push_back(endpoint_json(endpoint));
  Json json = {{"name", upstream.name},
               {"load_balancer", upstream.policy},
               {"panic", upstream.panic},
               {"endpoints", endpoints},
               {"circuit_breaker", breaker_json(upstream.breaker)},
               {"adaptive_concurrency", adaptive_json(upstream.adaptive)},
               {"retry_budget_remaining", upstream.retry_budget_remaining},
               {"requests_in_flight", upstream.requests_in_flight},
               {"requests_pending", upstream.requests_pending},
               {"connections",
                {{"active", upstream.connections_active},
                 {"idle", upstream.connections_idle},
                 {"connecting", upstream.connections_connecting}}},
               {"limits", counts_json(upstream.limits)},
               {"ejections", counts_json(upstream.ejections)},
               {"ejections_observed", counts_json(upstream.ejections_observed)},
               {"ejections_denied", counts_json(upstream.ejections_denied)}};
  if (upstream.resolves_names) json["resolution_error"] = upstream.resolution_error;
  return json;
}

// "2026-01-31T12:00:00.123Z"
std::string utc(std::int64_t unix_ms) {
  const std::time_t whole = unix_ms / 1000;
  std::tm parts{};
  gmtime_r(&whole, &parts);
  char date[sizeof("2026-01-31T12:00:00")];
  std::strftime(date, sizeof(date), "%FT%T", &parts);
  return fmt::format("{}.{:03}Z", date, unix_ms % 1000);
}

Json fault_json(const exchange::RouteLive& route) {
  if (!route.fault) return nullptr;
  const config::Fault& fault = *route.fault;
  Json json = {{"at_run_time", route.fault_at_run_time}};
  if (fault.delay) {
    json["delay"] = {{"percent", fault.delay->percent},
                     {"duration_ms", milliseconds(fault.delay->duration)}};
  }
  if (fault.abort) {
    const int status = fault.abort->status;
    json["abort"] = {{"percent", fault.abort->percent},
                     {"status", status == 0 ? Json("reset") : Json(status)}};
  }
  for (const auto& header : fault.headers) json["headers"].push_back(header.name);
  json["until"] = fault.until ? Json(utc(fault.until->time_since_epoch().count() * 1000)) : Json();
  return json;
}

Json match_json(const config::Match& match) {
  Json json = Json::object();
  if (!match.hosts.empty()) json["hosts"] = match.hosts;
  switch (match.path_kind) {
    case config::Match::PathKind::Any:
      break;
    case config::Match::PathKind::Exact:
      json["path"] = match.path;
      break;
    case config::Match::PathKind::Prefix:
      json["path_prefix"] = match.path;
      break;
    case config::Match::PathKind::Regex:
      json["path_regex"] = match.path;
      break;
  }
  if (!match.methods.empty()) json["methods"] = match.methods;
  for (const auto& header : match.headers) json["headers"].push_back(header.name);
  for (const auto& parameter : match.query) json["query"].push_back(parameter.name);
  return json;
}

Json redirect_json(const config::Redirect& redirect) {
  Json json = {{"status", redirect.status}};
  if (redirect.scheme) json["scheme"] = *redirect.scheme;
  if (redirect.host) json["host"] = *redirect.host;
  if (redirect.path) json["path"] = *redirect.path;
  return json;
}

Json split_json(const config::Split& split) {
  Json json = Json::array();
  for (const auto& target : split.to) {
    json.push_back({{"upstream", target.upstream}, {"weight", target.weight}});
  }
  return json;
}

void add_action(Json& json, const config::Route& route) {
  if (route.upstream) json["upstream"] = *route.upstream;
  if (route.split) json["split"] = split_json(*route.split);
  if (route.respond) json["respond"] = {{"status", route.respond->status}};
  if (route.redirect) json["redirect"] = redirect_json(*route.redirect);
  if (!route.mirror) return;
  json["mirror"] = {{"upstream", route.mirror->upstream}, {"percent", route.mirror->percent}};
}

// Names of routes are unique over all listeners. `at`: where it stands when both are of one reload.
exchange::RouteLive live_of(const config::Route& route, std::size_t at,
                            const exchange::LiveState& live) {
  if (at < live.routes.size() && live.routes[at].name == route.name) return live.routes[at];
  const auto found = std::ranges::find(live.routes, route.name, &exchange::RouteLive::name);
  return found != live.routes.end() ? *found : exchange::RouteLive{};
}

Json event_json(const exchange::Event& event) {
  Json json = {{"sequence", event.sequence},
               {"time", utc(event.unix_ms)},
               {"time_ms", event.unix_ms},
               {"kind", label(event.kind)}};
  if (!event.scope.empty()) json[std::string(event.scope)] = event.name;
  if (!event.endpoint.empty()) json["endpoint"] = event.endpoint;
  if (!event.to.empty()) json["to"] = event.to;
  json["cause"] = event.cause;
  json["by_hand"] = event.by_hand;
  return json;
}

std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string events_json(const exchange::Events& events, std::uint64_t since) {
  Json list = Json::array();
  for (const auto& event : events.since(since)) list.push_back(event_json(event));
  return text_of({{"last_sequence", events.last_sequence()}, {"events", list}});
}

std::string upstreams_json(const exchange::LiveState& live) {
  Json upstreams = Json::array();
  for (const auto& upstream : live.upstreams) upstreams.push_back(upstream_json(upstream));
  return text_of({{"upstreams", upstreams}});
}

std::string routes_json(const config::Config& config, const exchange::LiveState& live) {
  Json routes = Json::array();
  std::size_t index = 0;
  for (const auto& listener : config.listeners) {
    for (const auto& route : listener.routes) {
      const exchange::RouteLive now = live_of(route, index++, live);
      Json json = {{"listener", listener.name},
                   {"name", route.name},
                   {"match", match_json(route.match)},
                   {"requests_in_flight", now.requests_in_flight},
                   {"max_requests", now.max_requests > 0 ? Json(now.max_requests) : Json()},
                   {"adaptive_concurrency", adaptive_json(now.adaptive)},
                   {"shed", counts_json(now.shed)},
                   {"rate_limited", now.rate_limited ? Json(*now.rate_limited) : Json()},
                   {"circuit_breaker", breaker_json(now.breaker)},
                   {"fault", fault_json(now)}};
      add_action(json, route);
      routes.push_back(std::move(json));
    }
  }
  return text_of({{"routes", routes}});
}

}  // namespace outrigger::admin
