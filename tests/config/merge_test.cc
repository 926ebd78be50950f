// What routes and upstreams take over from `defaults`.
#include "config/load.h"
#include "tests/config/loading.h"
#include "tests/support/catch.h"

namespace outrigger::config {
namespace {

using namespace std::chrono_literals;

Route route_under(const std::string& defaults, const std::string& keys) {
  return loaded(with_route(keys) + "defaults:\n  route: " + defaults + "\n").listeners[0].routes[0];
}

TEST_CASE("a route starts from the defaults, key by key") {
  const Route route =
      route_under("{timeouts: {request: 3s, idle: 7s}, retry: {max_retries: 4}}",
                  "      timeouts: {request: 5s}\n      retry: {backoff: {base: 1ms}}\n");
  CHECK(route.timeouts.request == 5s);
  CHECK(route.timeouts.idle == 7s);
  CHECK(route.retry->max_retries == 4);
  CHECK(route.retry->backoff.base == 1ms);
}

TEST_CASE("an inherited block counts as present") {
  const Route route = route_under("{retry: {max_retries: 4}}", "");
  CHECK(route.retry->retry_on.words.contains(RetryWord::GatewayError));
}

TEST_CASE("lists are replaced whole") {
  const Route route =
      route_under("{retry: {retry_on: [default, 429]}}", "      retry: {retry_on: [500]}\n");
  CHECK(route.retry->retry_on.words.empty());
  CHECK(route.retry->retry_on.statuses == std::set<int>{500});
}

TEST_CASE("off switches an inherited block off, and a block switches an inherited off on") {
  CHECK_FALSE(route_under("{circuit_breaker: {}}", "      circuit_breaker: off\n").circuit_breaker);
  CHECK(route_under("{circuit_breaker: {}}", "").circuit_breaker);
  CHECK_FALSE(route_under("{retry: off}", "").retry);
  CHECK(route_under("{retry: off}", "      retry: {}\n").retry->max_retries == 2);
}

TEST_CASE("an upstream starts from its defaults too") {
  const Upstream upstream =
      loaded(with_upstream("    limits: {max_requests: 5}\n") +
             "defaults: {upstream: {limits: {max_pending: 6}, load_balancer: {policy: random}}}\n")
          .upstreams[0];
  CHECK(upstream.limits.max_requests == 5);
  CHECK(upstream.limits.max_pending == 6);
  CHECK(upstream.load_balancer.policy == LoadBalancerPolicy::Random);
}

TEST_CASE("a fault in the defaults is reported once, where it stands") {
  const std::string text =
      "defaults: {route: {retry: {max_retires: 3}, name: a, slo: {}}}\n"
      "listeners:\n"
      "  - address: 127.0.0.1:8080\n"
      "    routes:\n"
      "      - {name: a, upstream: app, match: {path: /a}}\n"
      "      - {name: b, upstream: app}\n"
      "upstreams: {app: {endpoints: ['127.0.0.1:1']}}\n";
  const std::string errors = errors_of(text);
  CHECK(errors ==
        "f.yaml:1:28: defaults.route.retry.max_retires: unknown key (did you mean "
        "'max_retries'?)\n"
        "f.yaml:1:45: defaults.route.name: unknown key (expected timeouts, limits, retry, "
        "circuit_breaker, hedge, fallback, adaptive_concurrency, rate_limit, criticality, fault, "
        "mirror, rewrite, request_headers or response_headers)\n"
        "f.yaml:1:54: defaults.route.slo: is not supported by this version\n");
}

TEST_CASE("a pair that only the merge makes contradictory is reported at the route") {
  CHECK(errors_of(with_route("      circuit_breaker: {max_open_for: 10s}\n") +
                  "defaults: {route: {circuit_breaker: {open_for: 20s}}}\n") ==
        "f.yaml:6:39: listeners[0].routes[0].circuit_breaker.max_open_for: 10s is shorter than "
        "open_for, 20s\n");
}

TEST_CASE("a block of the defaults need not be whole where each route completes it") {
  const Route route = route_under(
      "{rate_limit: {per: 1m}, mirror: {percent: 5}, fault: {abort: {status: 500}}, "
      "fallback: {fallback_on: [5xx]}, circuit_breaker: {open_for: 90s}}",
      "      rate_limit: {requests: 7}\n      mirror: {upstream: app}\n"
      "      fault: {abort: {percent: 1}}\n      fallback: {upstream: app}\n"
      "      circuit_breaker: {max_open_for: 120s}\n");
  CHECK(route.rate_limit->requests == 7);
  CHECK(route.rate_limit->per == 1min);
  CHECK(route.mirror->percent == 5);
  CHECK(route.fault->abort->status == 500);
  CHECK(route.fallback->fallback_on == std::set{FallbackWord::FiveXx});
  CHECK(route.circuit_breaker->open_for == 90s);
  const Upstream upstream = loaded(with_upstream("    health_check: {tcp: {}}\n") +
                                   "defaults: {upstream: {health_check: {interval: 5s}}}\n")
                                .upstreams[0];
  CHECK(upstream.health_check->interval == 5s);
}

TEST_CASE("where a route does not complete a block, it is an error where the block stands") {
  CHECK(errors_of(with_route("") + "defaults: {route: {rate_limit: {per: 1m}}}\n") ==
        "f.yaml:6:32: listeners[0].routes[0].rate_limit.requests: missing (expected a whole number "
        "from 1 to 1000000000)\n");
  CHECK(errors_of(with_route("") + "defaults: {route: {circuit_breaker: {open_for: 90s}}}\n") ==
        "f.yaml:6:48: listeners[0].routes[0].circuit_breaker.open_for: 90s is longer than "
        "max_open_for, 60s\n");
  CHECK(errors_of(with_route("      rate_limit: off\n") +
                  "defaults: {route: {rate_limit: {per: 1m}}}\n")
            .empty());
}

TEST_CASE("of keys that exclude one another the one written displaces the one inherited") {
  const Fallback fallback = *route_under("{fallback: {upstream: app, fallback_on: [5xx]}}",
                                         "      fallback: {respond: {}}\n")
                                 .fallback;
  CHECK(fallback.respond);
  CHECK_FALSE(fallback.upstream);
  CHECK(fallback.fallback_on == std::set{FallbackWord::FiveXx});

  const auto upstream_under = [](const std::string& defaults, const std::string& keys) {
    return loaded(with_upstream(keys) + "defaults: {upstream: " + defaults + "}\n").upstreams[0];
  };
  const Upstream hashing =
      upstream_under("{load_balancer: {policy: maglev, hash_on: {cookie: {name: c}}}}",
                     "    load_balancer: {hash_on: {header: x-a}}\n");
  CHECK(hashing.load_balancer.hash_on->kind == HashOn::Kind::Header);
  const Upstream checked = upstream_under("{health_check: {http: {path: /h}, interval: 7s}}",
                                          "    health_check: {tcp: {}}\n");
  CHECK(checked.health_check->tcp);
  CHECK_FALSE(checked.health_check->http);
  CHECK(checked.health_check->interval == 7s);
  // What is off displaces nothing.
  CHECK(upstream_under("{health_check: {http: {path: /h}}}", "    health_check: {tcp: off}\n")
            .health_check->http->path == "/h");
}

TEST_CASE("a route that responds itself ignores the defaults, and may name no policy") {
  const std::string text =
      "defaults: {route: {retry: {max_retries: 4}}}\n"
      "listeners: [{address: '127.0.0.1:1', routes: [{respond: {}%}]}]\n";
  const auto with = [&](const std::string& keys) {
    std::string filled = text;
    return filled.replace(filled.find('%'), 1, keys);
  };
  CHECK(loaded(with("")).listeners[0].routes[0].retry->max_retries == 1);
  CHECK(errors_of(with(", retry: off")) ==
        "f.yaml:2:61: listeners[0].routes[0].retry: has no meaning on a route that answers "
        "itself\n");
}

TEST_CASE("large defaults times many routes are refused, not multiplied") {
  std::string list = "[200";
  for (int i = 0; i < 2000; ++i) list += ", 200";
  CHECK(errors_of(with_route("") + "defaults: {route: {retry: {retry_on: " + list + "]}}}\n") ==
        "f.yaml:6:19: listeners[0].routes[0]: 'defaults.route' is too large to be inherited so "
        "often\n");
}

}  // namespace
}  // namespace outrigger::config
