// The keys of an upstream. What each struct is for stands in model.h.
#pragma once

#include "config/describe_route.h"

namespace outrigger::config {

template <class V>
void describe(V& v, Endpoint& e) {
  v.block("upstream.endpoint", "One address of an upstream; a host name stands for all of its.");
  v.required("address", e.address, Text{kEndpointAddress}, "Where it listens.");
  v.key("weight", e.weight, Whole{1, 1000}, "Its share of the traffic, beside the others'.");
  v.unsupported("zone");
  v.unsupported("priority", {"0"});
}

template <class V>
void describe(V& v, LoadBalancer& l) {
  v.block("upstream.load_balancer", "Which endpoint gets the next try.");
  v.key("policy", l.policy, Word<LoadBalancerPolicy>{{"ring_hash", "maglev"}},
        "p2c_ewma: of two, the one with the lower latency times load; least_request: of two, the "
        "one with fewer in flight; round_robin: in turn; random.");
  v.unsupported("hash_on");
  v.unsupported("slow_start", {"off"});
  v.unsupported("panic_threshold_percent", {"off"});
  v.unsupported("zone_aware", {"off"});
}

template <class V>
void describe(V& v, RetryBudget& b) {
  v.block("upstream.retry_budget",
          "Retries in the window are at most `percent` of the first tries, plus the floor.");
  v.key("percent", b.percent, kPercent, "Of the first tries.");
  v.key("min_per_second", b.min_per_second, Decimal{0, 100'000},
        "The floor, so that little traffic may retry too.");
  v.key("window", b.window, Time{.min = std::chrono::milliseconds{10}}, "The sliding window.");
}

template <class V>
void describe(V& v, OutlierDetection& o) {
  using Count = Off<Whole>;
  v.block("upstream.outlier_detection",
          "Takes an endpoint out that fails while others do not. A block that is absent means "
          "consecutive_local_origin_failures only; one that is present starts from the defaults "
          "below.");
  v.key("consecutive_local_origin_failures", o.consecutive_local_origin_failures,
        Count{{1, 1'000'000}}, "Connect failures, resets and timeouts in a row.");
  v.key("consecutive_gateway_errors", o.consecutive_gateway_errors, Count{{1, 1'000'000}},
        "502, 503, 504 and local failures in a row.");
  v.key("consecutive_5xx", o.consecutive_5xx, Count{{1, 1'000'000}},
        "Any 5xx and local failures in a row.");
  v.key("base_ejection_time", o.base_ejection_time, Time{},
        "How long an endpoint is out, times its ejections in a row.");
  v.key("max_ejection_time", o.max_ejection_time, Time{}, "The longest it is out.");
  v.key("interval", o.interval, Time{.min = std::chrono::milliseconds{10}}, "Between two sweeps.");
  v.key("max_ejection_percent", o.max_ejection_percent, kPercent,
        "The share of the endpoints that may be out; at least one of two or more, unless 0.");
  v.key("min_available", o.min_available, Whole{0, 100'000}, "Never fewer left than this.");
  v.key("mode", o.mode, Word<PolicyMode>{}, "`observe` counts and reports, but ejects nothing.");
  v.unsupported("success_rate", {"off"});
  v.unsupported("failure_percentage", {"off"});
  v.unsupported("latency", {"off"});
}

template <class V>
void describe(V& v, UpstreamTimeouts& t) {
  v.block("upstream.timeouts", "How long connections may take and last.");
  v.key("connect", t.connect, Time{}, "Until connected; then `connect-failure`.");
  v.key("idle", t.idle, Auto<Time>{},
        "A pooled connection unused; `auto`: a second less than its Keep-Alive says, else 4s.");
  v.key("max_connection_duration", t.max_connection_duration,
        Off<Time>{{.max = std::chrono::hours{24 * 30}}},
        "Then not used again (10 % more or less), so that new addresses get traffic.");
}

template <class V>
void describe(V& v, UpstreamLimits& l) {
  v.block("upstream.limits", "The upstream's bulkheads, exact over all workers.");
  v.key("max_connections", l.max_connections, Whole{1, 1'000'000},
        "Connections at once, idle ones included.");
  v.key("max_requests", l.max_requests, Whole{1, 1'000'000}, "Tries on their way at once.");
  v.key("max_pending", l.max_pending, Whole{0, 1'000'000},
        "Tries that may wait for a place; beyond: 503 `overflow`.");
  v.key("pending_timeout", l.pending_timeout, Time{.min = Duration{0}},
        "How long one may wait; then 503 `queue-timeout`.");
  v.key("max_connections_per_endpoint", l.max_connections_per_endpoint, Off<Whole>{{1, 1'000'000}},
        "An endpoint with so many is skipped.");
  v.key("max_requests_per_endpoint", l.max_requests_per_endpoint, Off<Whole>{{1, 1'000'000}},
        "An endpoint with so many is skipped.");
  v.key("max_requests_per_connection", l.max_requests_per_connection, Off<Whole>{{1, 1'000'000}},
        "Then the connection is not used again.");
}

template <class V>
void describe_policies(V& v, Upstream& u) {
  v.key("load_balancer", u.load_balancer, Block<LoadBalancer>{},
        "Which endpoint gets the next try.");
  v.key("retry_budget", u.retry_budget, Block<RetryBudget>{}, "How many retries it may cost.");
  v.key("circuit_breaker", u.circuit_breaker, Switch<CircuitBreaker>{},
        "Stops asking what keeps failing.");
  v.key("outlier_detection", u.outlier_detection,
        Switch<OutlierDetection>{{present_outlier_detection}}, "Takes endpoints out that fail.",
        "consecutive_local_origin_failures: 5");
  v.key("timeouts", u.timeouts, Block<UpstreamTimeouts>{}, "How long connections may take.");
  v.key("limits", u.limits, Block<UpstreamLimits>{}, "The upstream's bulkheads.");
  v.unsupported("health_check", {"off"});
  v.unsupported("adaptive_concurrency", {"off"});
  v.unsupported("protocol", {"http1"});
  v.unsupported("tls", {"off"});
}

template <class V>
void describe(V& v, UpstreamDefaults& d) {
  v.block("defaults.upstream", "What every upstream starts from.");
  describe_policies(v, d.upstream);
}

template <class V>
void describe(V& v, Upstream& u) {
  v.block("upstream", "A service behind, by its name under `upstreams`.");
  v.required("endpoints", u.endpoints,
             List<Short<Endpoint, Text, std::string>>{{&Endpoint::address, {kEndpointAddress}}},
             "Its addresses. Host names are resolved again and again; a failure keeps the last "
             "good set.");
  v.unsupported("discovery", {"off"});
  describe_policies(v, u);
}

}  // namespace outrigger::config
