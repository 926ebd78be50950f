#include "proxy/admin/pages.h"

#include <nlohmann/json.hpp>

#include "tests/support/catch.h"

namespace outrigger::admin {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;

exchange::UpstreamLive upstream() {
  exchange::UpstreamLive made;
  made.name = "payments";
  made.policy = "p2c_ewma";
  made.endpoints.resize(1);
  auto& endpoint = made.endpoints[0];
  endpoint.address = "10.0.0.1:80";
  endpoint.configured = "payments.internal:80";
  endpoint.state = "ejected";
  endpoint.by_hand = true;
  endpoint.draining = true;
  endpoint.swept = {.successes = 197, .failures = 3, .p95 = 12500us};
  endpoint.weight = 3;
  endpoint.in_flight = 4;
  endpoint.connections = 5;
  endpoint.tries = 60;
  endpoint.failures = 7;
  endpoint.latency = 1500us;
  endpoint.ejected_for = 2500ms;
  endpoint.ejections = 2;
  made.breaker = {.present = true,
                  .state = policy::CircuitState::HalfOpen,
                  .rejected = 9,
                  .window_successes = 10,
                  .window_failures = 11,
                  .consecutive_failures = 12,
                  .retry_after = 750ms,
                  .observe = true};
  made.retry_budget_remaining = 1.5;
  made.requests_in_flight = 4;
  made.requests_pending = 1;
  made.connections_active = 2;
  made.connections_idle = 3;
  made.connections_connecting = 1;
  made.limits = {{"max_requests", 1024}, {"max_pending", 512}};
  made.ejections = {{"probation", 1}};
  made.ejections_denied = {{"lone", 2}};
  made.ejections_observed = {{"latency", 3}};
  return made;
}

config::Config configuration() {
  config::Config made;
  config::Listener listener;
  listener.name = "main";
  config::Route proxied;
  proxied.name = "api";
  proxied.upstream = "payments";
  proxied.match.hosts = {"api.example"};
  proxied.match.path_kind = config::Match::PathKind::Prefix;
  proxied.match.path = "/v1";
  proxied.match.methods = {"GET"};
  proxied.match.headers = {
      {.name = "x-key", .kind = config::HeaderMatch::Kind::Value, .value = "a-secret"}};
  config::Route fixed;
  fixed.name = "fixed";
  fixed.respond = config::Respond{.status = 204};
  listener.routes = {proxied, fixed};
  made.listeners = {listener};
  return made;
}

exchange::LiveState live_routes() {
  exchange::LiveState live;
  live.routes.resize(2);
  live.routes[0] = {.name = "api",
                    .listener = "main",
                    .breaker = {.present = true},
                    .requests_in_flight = 6,
                    .max_requests = 50};
  live.routes[1] = {.name = "fixed", .listener = "main", .requests_in_flight = 1};
  return live;
}

TEST_CASE("an upstream shows its endpoints, breaker, budget and connections") {
  Json page = Json::parse(upstreams_json({.upstreams = {upstream()}}));
  REQUIRE(page["upstreams"].is_array());
  REQUIRE(page["upstreams"].size() == 1);
  Json shown = page["upstreams"][0];
  CHECK(shown["name"] == "payments");
  CHECK(shown["load_balancer"] == "p2c_ewma");
  CHECK(shown["retry_budget_remaining"] == 1.5);
  CHECK(shown["requests_in_flight"] == 4);
  CHECK(shown["requests_pending"] == 1);
  CHECK(shown["connections"] == Json({{"active", 2}, {"idle", 3}, {"connecting", 1}}));
  CHECK(shown["limits"] == Json({{"max_requests", 1024}, {"max_pending", 512}}));
  CHECK(shown["ejections"]["probation"] == 1);
  CHECK(shown["ejections_denied"]["lone"] == 2);
  CHECK(shown["ejections_observed"]["latency"] == 3);
  REQUIRE(shown["endpoints"].size() == 1);
  CHECK(shown["endpoints"][0] ==
        Json({{"address", "10.0.0.1:80"},
              {"configured", "payments.internal:80"},
              {"state", "ejected"},
              {"by_hand", true},
              {"draining", true},
              {"weight", 3},
              {"weight_now", 1.0},
              {"zone", ""},
              {"priority", 0},
              {"requests_in_flight", 4},
              {"connections_in_use", 5},
              {"tries", 60},
              {"failures", 7},
              {"latency_ms", 1.5},
              {"ejected_for_seconds", 2.5},
              {"consecutive_ejections", 2},
              {"last_sweep", {{"tries", 200}, {"success_rate_percent", 98.5}, {"p95_ms", 12.5}}},
              {"health_check", nullptr}}));
  Json breaker = shown["circuit_breaker"];
  CHECK(breaker["state"] == "half-open");
  CHECK(breaker["mode"] == "observe");
  CHECK(breaker["window"] == Json({{"successes", 10}, {"failures", 11}}));
  CHECK(breaker["consecutive_failures"] == 12);
  CHECK(breaker["retry_after_seconds"] == 0.75);
  CHECK(breaker["rejected"] == 9);
}

TEST_CASE("an endpoint shows what its health checks found") {
  auto checked = upstream();
  auto& health = checked.endpoints[0].health;
  health = {.present = true, .healthy = false};
  const auto shown = [&] {
    Json page = Json::parse(upstreams_json({.upstreams = {checked}}));
    return page["upstreams"][0]["endpoints"][0]["health_check"];
  };
  CHECK(shown() == Json({{"healthy", false}, {"last_result", nullptr}}));
  health.result = "failure";
  health.reason = "status 503";
  health.consecutive = 4;
  health.ago = 1500ms;
  CHECK(shown() == Json({{"healthy", false},
                         {"last_result", "failure"},
                         {"reason", "status 503"},
                         {"consecutive", 4},
                         {"seconds_ago", 1.5}}));
}

TEST_CASE("breaker states have the contract's names") {
  const std::pair<policy::CircuitState, const char*> rows[] = {
      {policy::CircuitState::Closed, "closed"},
      {policy::CircuitState::HalfOpen, "half-open"},
      {policy::CircuitState::Open, "open"}};
  for (const auto& [state, name] : rows) {
    auto one = upstream();
    one.breaker.state = state;
    Json page = Json::parse(upstreams_json({.upstreams = {one}}));
    CHECK(page["upstreams"][0]["circuit_breaker"]["state"] == name);
  }
}

TEST_CASE("a breaker shows what was said by hand") {
  using policy::CircuitByHand;
  const std::pair<CircuitByHand, Json> rows[] = {{CircuitByHand::Auto, nullptr},
                                                 {CircuitByHand::Open, "open"},
                                                 {CircuitByHand::Closed, "closed"}};
  for (const auto& [by_hand, shown] : rows) {
    auto one = upstream();
    one.breaker.by_hand = by_hand;
    Json page = Json::parse(upstreams_json({.upstreams = {one}}));
    CHECK(page["upstreams"][0]["circuit_breaker"]["by_hand"] == shown);
  }
}

TEST_CASE("a route shows the fault in force, and until when") {
  auto live = live_routes();
  CHECK(Json::parse(routes_json(configuration(), live))["routes"][0]["fault"].is_null());
  live.routes[0].fault = config::Fault{.delay = config::FaultDelay{.percent = 5, .duration = 200ms},
                                       .abort = config::FaultAbort{.percent = 1, .status = 0},
                                       .headers = {{.name = "x-chaos", .value = "a-secret"}},
                                       .until = std::chrono::sys_seconds(1'800'000'000s)};
  live.routes[0].fault_at_run_time = true;
  Json page = Json::parse(routes_json(configuration(), live));
  CHECK(page["routes"][0]["fault"] == Json({{"at_run_time", true},
                                            {"delay", {{"percent", 5.0}, {"duration_ms", 200.0}}},
                                            {"abort", {{"percent", 1.0}, {"status", "reset"}}},
                                            {"headers", Json::array({"x-chaos"})},
                                            {"until", "2027-01-15T08:00:00.000Z"}}));
}

TEST_CASE("events show when, what and why, the newest last") {
  exchange::Events events([] { return std::int64_t{1'800'000'000'123}; });
  events.add({.kind = exchange::EventKind::Ejected,
              .scope = "upstream",
              .name = "payments",
              .endpoint = "10.0.0.1:80",
              .cause = "5 in a row"});
  events.add({.kind = exchange::EventKind::Reload, .to = "in-force"});
  Json page = Json::parse(events_json(events, 0));
  CHECK(page["last_sequence"] == 2);
  REQUIRE(page["events"].size() == 2);
  CHECK(page["events"][0] == Json({{"sequence", 1},
                                   {"time", "2027-01-15T08:00:00.123Z"},
                                   {"time_ms", 1'800'000'000'123},
                                   {"kind", "ejected"},
                                   {"upstream", "payments"},
                                   {"endpoint", "10.0.0.1:80"},
                                   {"cause", "5 in a row"},
                                   {"by_hand", false}}));
  CHECK(page["events"][1]["to"] == "in-force");
  CHECK(Json::parse(events_json(events, 1))["events"].size() == 1);
  CHECK(Json::parse(events_json(events, 2))["events"] == Json::array());
}

TEST_CASE("what is off is null, what is empty is empty") {
  exchange::UpstreamLive bare;
  bare.name = "bare";
  Json page = Json::parse(upstreams_json({.upstreams = {bare}}));
  CHECK(page["upstreams"][0]["circuit_breaker"].is_null());
  CHECK(page["upstreams"][0]["endpoints"] == Json::array());
  CHECK(page["upstreams"][0]["limits"] == Json::object());
  CHECK_FALSE(page["upstreams"][0].contains("resolution_error"));
  CHECK(Json::parse(upstreams_json({}))["upstreams"] == Json::array());
}

TEST_CASE("an upstream of names shows what kept them from resolving") {
  auto named = upstream();
  named.resolves_names = true;
  named.resolution_error = "no such host";
  Json page = Json::parse(upstreams_json({.upstreams = {named}}));
  CHECK(page["upstreams"][0]["resolution_error"] == "no such host");
}

TEST_CASE("text that is no UTF-8 still makes valid JSON") {
  auto odd = upstream();
  odd.endpoints[0].configured = "unix:/a\"\n\xff";
  Json page = Json::parse(upstreams_json({.upstreams = {odd}}));
  CHECK(page["upstreams"][0]["endpoints"][0]["configured"] == "unix:/a\"\n\xef\xbf\xbd");
}

TEST_CASE("routes show their match, their target and what they do now") {
  const std::string text = routes_json(configuration(), live_routes());
  Json page = Json::parse(text);
  REQUIRE(page["routes"].size() == 2);
  Json api = page["routes"][0];
  CHECK(api["listener"] == "main");
  CHECK(api["name"] == "api");
  CHECK(api["upstream"] == "payments");
  CHECK(api["match"]["hosts"] == Json({"api.example"}));
  CHECK(api["match"]["path_prefix"] == "/v1");
  CHECK(api["match"]["methods"] == Json({"GET"}));
  CHECK(api["match"]["headers"] == Json({"x-key"}));
  CHECK(api["requests_in_flight"] == 6);
  CHECK(api["max_requests"] == 50);
  CHECK(api["circuit_breaker"]["state"] == "closed");
  Json fixed = page["routes"][1];
  CHECK(fixed["name"] == "fixed");
  CHECK(fixed["respond"]["status"] == 204);
  CHECK_FALSE(fixed.contains("upstream"));
  CHECK(fixed["match"] == Json::object());
  CHECK(fixed["requests_in_flight"] == 1);
  CHECK(fixed["max_requests"].is_null());
  CHECK(fixed["circuit_breaker"].is_null());
}

TEST_CASE("values of matched header fields, which may be secrets, are not shown") {
  CHECK(routes_json(configuration(), live_routes()).find("a-secret") == std::string::npos);
}

TEST_CASE("each kind of path match has its own key") {
  using Kind = config::Match::PathKind;
  const std::pair<Kind, const char*> rows[] = {
      {Kind::Exact, "path"}, {Kind::Prefix, "path_prefix"}, {Kind::Regex, "path_regex"}};
  for (const auto& [kind, key] : rows) {
    CAPTURE(key);
    auto changed = configuration();
    changed.listeners[0].routes[0].match.path_kind = kind;
    Json page = Json::parse(routes_json(changed, live_routes()));
    CHECK(page["routes"][0]["match"][key] == "/v1");
  }
}

TEST_CASE("a live state that knows fewer routes, or in another order, does no harm") {
  auto fewer = live_routes();
  fewer.routes.erase(fewer.routes.begin());
  Json page = Json::parse(routes_json(configuration(), fewer));
  REQUIRE(page["routes"].size() == 2);
  CHECK(page["routes"][0]["requests_in_flight"] == 0);
  CHECK(page["routes"][1]["requests_in_flight"] == 1);
}

TEST_CASE("the dashboard needs nothing from outside and works below any path") {
  const std::string page(dashboard_html());
  CHECK(page.starts_with("<!doctype html>"));
  for (const char* outside : {"http://", "https://", "src=", "@import", "url(", "<link", "=\"//"}) {
    CAPTURE(outside);
    CHECK(page.find(outside) == std::string::npos);
  }
  for (const char* absolute : {"fetch(\"/", "href=\"/"}) {
    CAPTURE(absolute);
    CHECK(page.find(absolute) == std::string::npos);
  }
  CHECK(page.find("fetch(\"metrics\")") != std::string::npos);
  CHECK(page.find("fetch(\"upstreams\")") != std::string::npos);
}

TEST_CASE("the dashboard reads names that are there") {
  const std::string page(dashboard_html());
  Json shown = Json::parse(upstreams_json({.upstreams = {upstream()}}))["upstreams"][0];
  for (const char* key : {"load_balancer", "requests_in_flight", "requests_pending",
                          "retry_budget_remaining", "circuit_breaker", "endpoints"}) {
    CAPTURE(key);
    CHECK(page.find(std::string("u.") + key) != std::string::npos);
    CHECK(shown.contains(key));
  }
  for (const char* key : {"address", "state", "tries", "failures", "requests_in_flight",
                          "latency_ms", "ejected_for_seconds"}) {
    CAPTURE(key);
    CHECK(page.find(std::string("e.") + key) != std::string::npos);
    CHECK(shown["endpoints"][0].contains(key));
  }
}

}  // namespace
}  // namespace outrigger::admin
