#include "config/load.h"

#include "tests/config/loading.h"
#include "tests/support/catch.h"

namespace outrigger::config {
namespace {

using namespace std::chrono_literals;

Route route_of(const std::string& keys) {
  return loaded(with_route(keys)).listeners[0].routes[0];
}
Upstream upstream_of(const std::string& keys) {
  return loaded(with_upstream(keys)).upstreams[0];
}

TEST_CASE("workers are a number, or auto") {
  CHECK(loaded(with_top("workers: 4\n")).workers == 4);
  CHECK_FALSE(loaded(with_top("workers: auto\n")).workers);
}

TEST_CASE("the minimal file gets the defaults") {
  const Config config = loaded(with_top(""));
  CHECK(config.file == "f.yaml");
  CHECK(config.workers == 1);
  REQUIRE(config.admin);
  CHECK(config.admin->address == "127.0.0.1:9901");
  CHECK_FALSE(config.metrics.address);
  REQUIRE(config.listeners.size() == 1);
  const Listener& listener = config.listeners[0];
  CHECK(listener.name == "listener-0");
  CHECK(listener.direction == Direction::Outbound);
  CHECK(listener.forwarded == Forwarded::Pass);
  CHECK(listener.path_dots == PathDots::Allow);
  REQUIRE(listener.routes.size() == 1);
  CHECK(listener.routes[0].name == "listener-0");
  CHECK(listener.routes[0].upstream == "app");
  CHECK(listener.routes[0].timeouts.request == 15s);
  CHECK_FALSE(listener.routes[0].circuit_breaker);
  REQUIRE(config.upstreams.size() == 1);
  CHECK(config.upstreams[0].endpoints[0].address == "127.0.0.1:1");
  CHECK(config.upstreams[0].endpoints[0].weight == 1);
  CHECK_FALSE(config.upstreams[0].timeouts.idle);
}

TEST_CASE("an access log is off unless it is asked for") {
  CHECK_FALSE(loaded(with_top("")).access_log);
  CHECK_FALSE(loaded(with_top("access_log: false\n")).access_log);
  const auto present = loaded(with_top("access_log: {}\n")).access_log;
  REQUIRE(present);
  CHECK(present->path == "/dev/stdout");
  CHECK(present->format == LogFormat::Json);
  CHECK(present->only == AccessLogOnly::All);
  CHECK(present->slow == 1s);
  CHECK(present->sample_percent == 100);
  CHECK_FALSE(present->query);
  const auto given = loaded(with_top("access_log: {path: a.log, format: text, only: notable,\n"
                                     "  slow: 250ms, sample_percent: 2.5, query: true}\n"))
                         .access_log;
  REQUIRE(given);
  CHECK(given->path == "a.log");
  CHECK(given->format == LogFormat::Text);
  CHECK(given->only == AccessLogOnly::Notable);
  CHECK(given->slow == 250ms);
  CHECK(given->sample_percent == 2.5);
  CHECK(given->query);
}

TEST_CASE("an inbound listener has its own defaults") {
  const Config config =
      loaded("listeners: [{address: '0.0.0.0:80', direction: inbound, routes: [{respond: {}}]}]\n");
  CHECK(config.listeners[0].forwarded == Forwarded::Append);
  CHECK(config.listeners[0].path_dots == PathDots::Reject);
  const Config given = loaded(
      "listeners: [{address: '0.0.0.0:80', direction: inbound, routes: [{respond: {}}],\n"
      "             forwarded: remove, path_dots: allow}]\n");
  CHECK(given.listeners[0].forwarded == Forwarded::Remove);
  CHECK(given.listeners[0].path_dots == PathDots::Allow);
}

TEST_CASE("an absent retry block is weaker than an empty one, and off is none") {
  const Route absent = route_of("");
  REQUIRE(absent.retry);
  CHECK(absent.retry->max_retries == 1);
  CHECK_FALSE(absent.retry->retry_on.words.contains(RetryWord::GatewayError));

  const Route present = route_of("      retry: {}\n");
  REQUIRE(present.retry);
  CHECK(present.retry->max_retries == 2);
  CHECK(present.retry->retry_on.words.contains(RetryWord::GatewayError));

  CHECK_FALSE(route_of("      retry: off\n").retry);
  CHECK_FALSE(route_of("      retry: false\n").retry);
}

TEST_CASE("an absent outlier_detection is weaker than an empty one, and off is none") {
  REQUIRE(upstream_of("").outlier_detection);
  CHECK_FALSE(upstream_of("").outlier_detection->consecutive_gateway_errors);
  const Upstream present = upstream_of("    outlier_detection: {interval: 2s}\n");
  REQUIRE(present.outlier_detection);
  CHECK(present.outlier_detection->consecutive_gateway_errors == 5u);
  CHECK(present.outlier_detection->interval == 2s);
  CHECK_FALSE(upstream_of("    outlier_detection: off\n").outlier_detection);
}

TEST_CASE("retry_on takes words, statuses and the default list") {
  const RetryOn on =
      route_of("      retry: {retry_on: [default, per-try-timeout, 429]}\n").retry->retry_on;
  CHECK(on.words.contains(RetryWord::Reset));
  CHECK(on.words.contains(RetryWord::PerTryTimeout));
  CHECK(on.statuses == std::set<int>{429});
  const RetryOn replaced = route_of("      retry: {retry_on: [5xx]}\n").retry->retry_on;
  CHECK(replaced.words == std::set<RetryWord>{RetryWord::FiveXx});
}

TEST_CASE("consecutive_failures is a number, a block or off") {
  const auto failures = [](const std::string& value) {
    return upstream_of("    circuit_breaker: {consecutive_failures: " + value + "}\n")
        .circuit_breaker->consecutive_failures;
  };
  CHECK_FALSE(failures("off"));
  CHECK(failures("7")->count == 7);
  CHECK_FALSE(failures("7")->always);
  CHECK(failures("{always: true}")->count == 5);
  CHECK(failures("{count: 3, always: on}")->always);
}

TEST_CASE("a circuit breaker is off unless it is there") {
  CHECK_FALSE(upstream_of("").circuit_breaker);
  CHECK(upstream_of("    circuit_breaker: {}\n").circuit_breaker->min_requests == 20);
  CHECK(upstream_of("    circuit_breaker: {slow_call: {}}\n").circuit_breaker->slow_call->over ==
        1s);
  CHECK_FALSE(upstream_of("    circuit_breaker: {slow_call: off}\n").circuit_breaker->slow_call);
}

TEST_CASE("an initial adaptive_concurrency that is not written keeps within min and max") {
  const auto initial_of = [](const std::string& block) {
    const auto config = loaded(with_upstream("    adaptive_concurrency: " + block + "\n"));
    return config.upstreams[0].adaptive_concurrency->initial;
  };
  CHECK(initial_of("{}") == 20);
  CHECK(initial_of("{max: 10}") == 10);
  CHECK(initial_of("{min: 50}") == 50);
  CHECK(initial_of("{max: 10, initial: 5}") == 5);
  const auto inherited =
      loaded("defaults: {upstream: {adaptive_concurrency: {max: 10}}}\n" + with_upstream(""));
  CHECK(inherited.upstreams[0].adaptive_concurrency->initial == 10);
}

TEST_CASE("the policies that need a word of their own are read") {
  const Route route = route_of(
      "      hedge: {after: 50ms}\n"
      "      fault: {abort: {percent: 1, status: reset}, until: 2026-01-01T01:30:00+01:00}\n"
      "      rewrite: {host: auto}\n"
      "      match: {query: [{name: debug, present: false}]}\n");
  CHECK(route.hedge->after.time == 50ms);
  CHECK(route.hedge->after.percentile == 0);
  CHECK(route.fault->abort->status == 0);
  CHECK(route.fault->until->time_since_epoch() == 1767227400s);
  CHECK(route.rewrite->host_auto);
  CHECK(route.match.query[0].kind == HeaderMatch::Kind::Absent);
  CHECK(route_of("      hedge: {}\n").hedge->after.percentile == 95);
  CHECK(route_of("      hedge: {after: p99}\n").hedge->after.percentile == 99);

  const auto balancer = [](const std::string& hash_on) {
    return upstream_of("    load_balancer: {policy: maglev, hash_on: " + hash_on + "}\n")
        .load_balancer.hash_on.value();
  };
  CHECK(balancer("source_ip").kind == HashOn::Kind::SourceIp);
  CHECK(balancer("\"source_ip\"").kind == HashOn::Kind::SourceIp);
  CHECK(balancer("'path'").kind == HashOn::Kind::Path);
  CHECK(balancer("path").kind == HashOn::Kind::Path);
  CHECK(balancer("{header: x-user}").name == "x-user");
  CHECK(balancer("{cookie: {name: sid, ttl: 1h}}").ttl == 1h);

  const auto check =
      upstream_of("    health_check: {http: {expect: [200-299, 404]}}\n").health_check;
  CHECK(check->http->expect[1].last == 404);
  CHECK(upstream_of("    outlier_detection: {}\n").outlier_detection->success_rate);
  CHECK_FALSE(upstream_of("").outlier_detection->success_rate);
}

TEST_CASE("a split is a list, or a block that says what keeps callers together") {
  const auto split_of = [](const std::string& split) {
    return loaded("listeners: [{address: '127.0.0.1:1', routes: [{split: " + split +
                  "}]}]\nupstreams: {a: {endpoints: ['b:1']}, b: {endpoints: ['b:2']}}\n")
        .listeners[0]
        .routes[0]
        .split.value();
  };
  const Split plain = split_of("[{upstream: a, weight: 95}, {upstream: b, weight: 5}]");
  CHECK(plain.to[0].weight == 95);
  CHECK_FALSE(plain.hash_on);
  CHECK(split_of("{hash_on: source_ip, to: [{upstream: a}]}").hash_on);
}

TEST_CASE("a match is read, hosts in lower case") {
  const Match match =
      route_of(
          "      match: {hosts: [Pay.Internal, '*.Pay.internal'], path_prefix: /v1/,\n"
          "              methods: [GET, PURGE], headers: [{name: X-A, value: ''},\n"
          "              {name: x-b, present: false}, {name: x-c, regex: '^a+$'}]}\n")
          .match;
  CHECK(match.hosts == std::vector<std::string>{"pay.internal", "*.pay.internal"});
  CHECK(match.path_kind == Match::PathKind::Prefix);
  CHECK(match.path == "/v1/");
  CHECK(match.methods == std::vector<std::string>{"GET", "PURGE"});
  REQUIRE(match.headers.size() == 3);
  CHECK(match.headers[0].kind == HeaderMatch::Kind::Value);
  CHECK(match.headers[1].kind == HeaderMatch::Kind::Absent);
  CHECK(match.headers[2].value == "^a+$");
}

TEST_CASE("a response keeps the order of its headers") {
  const Config config = loaded(
      "listeners:\n"
      "  - address: unix:/run/o.sock\n"
      "    routes: [{respond: {status: 503, body: \"a\\n\", headers: {b: '1', a: '2'}}}]\n");
  const Respond& respond = *config.listeners[0].routes[0].respond;
  CHECK(respond.status == 503);
  CHECK(respond.body == "a\n");
  CHECK(respond.headers ==
        std::vector<std::pair<std::string, std::string>>{{"b", "1"}, {"a", "2"}});
}

TEST_CASE("endpoints are addresses or blocks") {
  const Config config = loaded(
      "listeners: [{address: '[::1]:0', routes: [{upstream: a}]}]\n"
      "upstreams:\n"
      "  a:\n"
      "    endpoints:\n"
      "      - 10.0.0.1:8080\n"
      "      - {address: 'pay.internal:80', weight: 1000}\n"
      "      - '[fd00::1]:80'\n"
      "      - unix:/run/app.sock\n");
  const auto& endpoints = config.upstreams[0].endpoints;
  REQUIRE(endpoints.size() == 4);
  CHECK(endpoints[1].address == "pay.internal:80");
  CHECK(endpoints[1].weight == 1000);
}

TEST_CASE("off and values of every unit") {
  const Upstream upstream = upstream_of(
      "    timeouts: {idle: 30s, max_connection_duration: off}\n"
      "    limits: {max_pending: 0, pending_timeout: 0, max_requests_per_endpoint: 3}\n"
      "    retry_budget: {percent: 12.5, min_per_second: 0}\n");
  CHECK(upstream.timeouts.idle == 30s);
  CHECK_FALSE(upstream.timeouts.max_connection_duration);
  CHECK(upstream.limits.max_pending == 0);
  CHECK(upstream.limits.pending_timeout == 0s);
  CHECK(upstream.limits.max_requests_per_endpoint == 3u);
  CHECK(upstream.retry_budget.percent == 12.5);
  CHECK_FALSE(upstream_of("    timeouts: {idle: auto}\n").timeouts.idle);
  CHECK_FALSE(
      route_of("      retry: {idempotency_key_header: off}\n").retry->idempotency_key_header);
  CHECK(route_of("      limits: {max_body_bytes: 1MiB}\n").limits.max_body_bytes == 1u << 20);
  CHECK_FALSE(loaded(with_top("admin: off\n")).admin);
}

TEST_CASE("what this version does anyway may be written down") {
  CHECK(errors_of(with_top("workers: 1\naccess_log: off\nmetrics: {buckets: default}\n"
                           "admin: {faults: off}\n"))
            .empty());
  CHECK(errors_of(with_route("      hedge: off\n      mirror: false\n"
                             "      criticality: normal\n      match: {query: []}\n"))
            .empty());
  CHECK(errors_of(with_upstream("    protocol: http1\n    health_check: off\n"
                                "    load_balancer: {slow_start: off}\n"))
            .empty());
}

TEST_CASE("the names of warnings to ignore are checked") {
  CHECK(loaded(with_top("check: {ignore: [fd-limit, unused-upstream]}\n")).check.ignore ==
        std::vector<std::string>{"fd-limit", "unused-upstream"});
  CHECK(errors_of(with_top("check: {ignore: [fd-limits]}\n")) ==
        "f.yaml:3:18: check.ignore[0]: found 'fd-limits' (expected the name of a warning; did you "
        "mean 'fd-limit'?)\n");
}

TEST_CASE("places of listeners, routes, upstreams and endpoints are kept") {
  const Config config = loaded(with_route(""));
  CHECK(config.upstreams[0].location.line == 1);
  CHECK(config.listeners[0].location.line == 3);
  CHECK(config.listeners[0].routes[0].location.line == 5);
  CHECK(config.listeners[0].routes[0].location.column == 7);
  CHECK(config.upstreams[0].endpoints[0].location.column == 31);
}

TEST_CASE("a file that cannot be read says so") {
  const auto missing = load_file("/nonexistent/f.yaml", {});
  REQUIRE_FALSE(missing);
  CHECK(to_text("f.yaml", missing.error()) ==
        "f.yaml: cannot be read: No such file or directory\n");
  const auto folder = load_file("/", {});
  REQUIRE_FALSE(folder);
  CHECK(to_text("f.yaml", folder.error()) == "f.yaml: cannot be read: Is a directory\n");
}

TEST_CASE("every example loads") {
  int examples = 0;
  for (const auto& entry : std::filesystem::directory_iterator{source_folder() / "examples"}) {
    if (entry.is_directory()) continue;  // scenarios have tests of their own
    ++examples;
    const auto result = load_file(entry.path().string(), {});
    INFO(entry.path());
    INFO((result ? "" : to_text("", result.error())));
    CHECK(static_cast<bool>(result));
  }
  CHECK(examples >= 2);
}

}  // namespace
}  // namespace outrigger::config
