// The keys of an upstream. What each struct is for stands in model.h.
#pragma once

#include "config/describe_route.h"

namespace outrigger::config {

template <class V>
void describe(V& v, Endpoint& e) {
  v.block("upstream.endpoint", "One address of an upstream; a host name stands for all of its.");
  v.required("address", e.address, Text{kEndpointAddress}, "Where it listens.");
  v.key("weight", e.weight, Whole{1, 1000}, "Its share of the traffic, beside the others'.");
  v.key("zone", e.zone, Text{kText}, "Where it runs; for zone_aware.");
  v.key("priority", e.priority, Whole{0, 127},
        "Endpoints of the next group are asked as fewer than 1/1.4 of this one are healthy.");
}

template <class V>
void describe(V& v, ZoneAware& z) {
  v.block("upstream.load_balancer.zone_aware",
          "Keeps traffic in the sidecar's own zone (node.zone), as far as what is healthy there "
          "carries it. Does nothing where node.zone is empty, which the log says at the start.");
  v.key("min_endpoints", z.min_endpoints, Whole{1, 100'000},
        "Fewer healthy ones: zones are ignored.");
}

template <class V>
void describe(V& v, LoadBalancer& l) {
  v.block("upstream.load_balancer", "Which endpoint gets the next try.");
  v.key("policy", l.policy, Word<LoadBalancerPolicy>{},
        "p2c_ewma: of two, the one with the lower latency times load; least_request: of two, the "
        "one with fewer in flight; round_robin: in turn; random; ring_hash and maglev: by "
        "hash_on.");
  v.key("hash_on", l.hash_on, Off<HashOnKind>{},
        "What ring_hash and maglev go by; required there.");
  v.key("slow_start", l.slow_start, Off<Time>{},
        "The share of a new or returned endpoint grows from a tenth to its full one over this "
        "time.");
  v.key("panic_threshold_percent", l.panic_threshold_percent, Off<Decimal>{kPercent},
        "Where fewer than this share pass their health checks, the checks are ignored.");
  v.key("zone_aware", l.zone_aware, Switch<ZoneAware>{}, "Prefers the sidecar's own zone.");
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
void describe(V& v, SuccessRateDetector& d) {
  v.block("upstream.outlier_detection.success_rate",
          "Ejects, at a sweep, who succeeds less often than the others.");
  v.key("min_endpoints", d.min_endpoints, Whole{2, 100'000},
        "Fewer endpoints with enough requests: nobody is judged.");
  v.key("min_requests", d.min_requests, Whole{1, 1'000'000},
        "Fewer outcomes since the last sweep: not judged.");
  v.key("stdev_factor", d.stdev_factor, Decimal{0, 100},
        "Below the mean of the others by more than so many of their standard deviations,");
  v.key("min_gap_percent", d.min_gap_percent, kPercent, "and by at least so many points.");
}

template <class V>
void describe(V& v, FailurePercentageDetector& d) {
  v.block("upstream.outlier_detection.failure_percentage",
          "Ejects, at a sweep, who fails more than a fixed share.");
  v.key("threshold_percent", d.threshold_percent, kPercent, "At or above this share of failures.");
  v.key("min_endpoints", d.min_endpoints, Whole{1, 100'000},
        "Fewer endpoints with enough requests: nobody is judged.");
  v.key("min_requests", d.min_requests, Whole{1, 1'000'000},
        "Fewer outcomes since the last sweep: not judged.");
}

template <class V>
void describe(V& v, LatencyDetector& d) {
  v.block("upstream.outlier_detection.latency",
          "Ejects, at a sweep, who is much slower than the others.");
  v.key("factor", d.factor, Decimal{1, 1000},
        "p95 above so many times the median p95 of the others,");
  v.key("min_endpoints", d.min_endpoints, Whole{2, 100'000},
        "Fewer endpoints with enough requests: nobody is judged.");
  v.key("min_requests", d.min_requests, Whole{1, 1'000'000},
        "Fewer outcomes since the last sweep: not judged.");
  v.key("floor", d.floor, Time{.min = Duration{0}}, "and above this.");
}

template <class V>
void describe(V& v, OutlierDetection& o) {
  using Count = Off<Whole>;
  v.block("upstream.outlier_detection",
          "Takes an endpoint out that fails while others do not. A block that is absent means "
          "consecutive_local_origin_failures only; one that is present starts from the defaults "
          "below. A row of statuses ejects only where the others do clearly better: 10 points "
          "over the last 10 s, or since the row began, so that chance does not explain it. After "
          "its time an endpoint is on probation: one request at a time until one succeeds. After "
          "one that settles nothing (429, 501, an answer of another proxy) the next waits 1 s, "
          "then 2 s, up to base_ejection_time.");
  v.key("consecutive_local_origin_failures", o.consecutive_local_origin_failures,
        Count{{1, 1'000'000}}, "Connect failures, resets and timeouts in a row.");
  v.key("consecutive_gateway_errors", o.consecutive_gateway_errors, Count{{1, 1'000'000}},
        "502, 503, 504 and local failures in a row.");
  v.key("consecutive_5xx", o.consecutive_5xx, Count{{1, 1'000'000}},
        "Any 5xx and local failures in a row.");
  v.key("success_rate", o.success_rate, Switch<SuccessRateDetector>{},
        "Who succeeds less often than the others.", "on");
  v.key("failure_percentage", o.failure_percentage, Switch<FailurePercentageDetector>{},
        "Who fails more than a fixed share.");
  v.key("latency", o.latency, Switch<LatencyDetector>{}, "Who is much slower than the others.");
  v.key("base_ejection_time", o.base_ejection_time, Time{},
        "How long an endpoint is out, times its ejections in a row.");
  v.key("max_ejection_time", o.max_ejection_time, Time{}, "The longest it is out.");
  v.key("interval", o.interval, Time{.min = std::chrono::milliseconds{10}}, "Between two sweeps.");
  v.key("max_ejection_percent", o.max_ejection_percent, kPercent,
        "The share of the endpoints that may be out; at least one of two or more, unless 0.");
  v.key("min_available", o.min_available, Whole{0, 100'000}, "Never fewer left than this.");
  v.key("mode", o.mode, Word<PolicyMode>{}, "`observe` counts and reports, but ejects nothing.");
}

template <class V>
void describe(V& v, HttpHealthCheck& h) {
  v.block("upstream.health_check.http", "Asks by GET.");
  v.key("path", h.path, Text{kPathAndQuery}, "The path, with a query where it needs one.");
  v.key("host", h.host, Maybe<Text>{{kAuthority}}, "The Host header.",
        "the endpoint's address as configured");
  v.key("expect", h.expect, List<StatusRangeKind>{}, "Statuses that mean healthy.");
  v.key("headers", h.headers, HeaderMap{}, "Further headers.");
}

template <class V>
void describe(V& v, TcpHealthCheck&) {
  v.block("upstream.health_check.tcp", "Healthy is who takes a connection. No keys.");
}

template <class V>
void describe(V& v, HealthCheck& h) {
  v.block("upstream.health_check",
          "Asks each endpoint again and again, traffic or not: exactly one of `http` and `tcp`.");
  v.key("http", h.http, Switch<HttpHealthCheck>{}, "By an HTTP request.");
  v.key("tcp", h.tcp, Switch<TcpHealthCheck>{}, "By opening a connection.");
  v.unsupported("grpc", {"off"});
  v.key("port", h.port, Maybe<Whole>{{1, 65535}}, "Another port.", "the endpoint's");
  v.key("interval", h.interval, Time{.min = std::chrono::milliseconds{10}}, "Between two checks.");
  v.key("no_traffic_interval", h.no_traffic_interval, Time{.min = std::chrono::milliseconds{10}},
        "The same for a healthy endpoint while the upstream has had no traffic for that long.");
  v.key("timeout", h.timeout, Time{}, "Until the answer; then the check has failed.");
  v.key("healthy_threshold", h.healthy_threshold, Whole{1, 1000},
        "Successes in a row that make it healthy.");
  v.key("unhealthy_threshold", h.unhealthy_threshold, Whole{1, 1000},
        "Failures in a row that make it unhealthy.");
  v.key("jitter_percent", h.jitter_percent, kPercent, "By how much intervals vary, up and down.");
  v.key("initially", h.initially, Word<InitialHealth>{},
        "`unhealthy`: no traffic before the first success.");
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
  v.key("max_head_bytes", l.max_head_bytes, Size{128, 16 << 20},
        "The status line and all headers of a response; beyond: 502 `bad-response`.");
  v.key("max_headers", l.max_headers, Whole{1, 10'000},
        "Header fields of a response; beyond: 502 `bad-response`.");
  v.key("max_informational_responses", l.max_informational_responses, Whole{0, 1000},
        "1xx before the final response; beyond: 502 `bad-response`.");
  v.key("max_chunk_extension_bytes", l.max_chunk_extension_bytes, Size{0, 1 << 20},
        "Chunk extensions of one body, at most 256 bytes a chunk; beyond: an aborted response.");
  v.key("max_trailer_bytes", l.max_trailer_bytes, Size{16, 1 << 20},
        "Trailer fields after a chunked body, at most 64 of them; beyond: an aborted response.");
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
  v.key("health_check", u.health_check, Switch<HealthCheck>{},
        "Asks each endpoint whether it is healthy.");
  v.key("adaptive_concurrency", u.adaptive_concurrency, Off<AdaptiveBlock>{},
        "A bulkhead that finds its size by itself.");
  v.key("timeouts", u.timeouts, Block<UpstreamTimeouts>{}, "How long connections may take.");
  v.key("limits", u.limits, Block<UpstreamLimits>{}, "The upstream's bulkheads.");
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
