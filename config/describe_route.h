// The keys of a listener and its routes. What each struct is for stands in model.h.
#pragma once

#include "config/special_kinds.h"

namespace outrigger::config {

template <class V>
void describe(V& v, HeaderMatch& m) {
  using enum HeaderMatch::Kind;
  v.block("route.match.header",
          "One condition on a header: exactly one of value, prefix, regex, "
          "present.");
  v.required("name", m.name, Text{kHeaderName}, "The header, compared without case.");
  v.key("value", m, HeaderAs{Value}, "The whole value.");
  v.key("prefix", m, HeaderAs{Prefix}, "How the value begins.");
  v.key("regex", m, HeaderAs{Regex},
        "An RE2 expression, found anywhere in the value; ^ and $ bind it.");
  v.key("present", m, HeaderAs{Present}, "true: there with any value; false: not there.");
}

template <class V>
void describe(V& v, QueryMatch& m) {
  using enum HeaderMatch::Kind;
  v.block("route.match.query",
          "One condition on a parameter of the query: exactly one of value, prefix, regex, "
          "present. Names and values are compared decoded, `+` as a space.");
  v.required("name", m.name, Text{kQueryName}, "The parameter; its first value counts.");
  v.key("value", m, HeaderAs{Value}, "The whole value.");
  v.key("prefix", m, HeaderAs{Prefix}, "How the value begins.");
  v.key("regex", m, HeaderAs{Regex},
        "An RE2 expression, found anywhere in the value; ^ and $ bind it.");
  v.key("present", m, HeaderAs{Present}, "true: there with any value; false: not there.");
}

template <class V>
void describe(V& v, Match& m) {
  using enum Match::PathKind;
  v.block("route.match",
          "Which requests the route takes; absent: all. The most specific route "
          "wins, whatever the order: host, exact path, longest prefix, regex, "
          "method, headers, query.");
  v.key("hosts", m.hosts, List<Text>{{kHostMatch}},
        "Hosts, or *.suffix for all below it; empty: any. Ports are ignored.");
  v.key("path", m, PathAs{Exact}, "Exactly this path.");
  v.key("path_prefix", m, PathAs{Prefix},
        "This path and what lies below, on whole segments: /a takes /a and /a/b, not /ab.");
  v.key("path_regex", m, PathAs{Regex},
        "An RE2 expression, found anywhere in the path; ^ and $ bind it.");
  v.key("methods", m.methods, List<Text>{{kMethod}}, "Methods; empty: any.");
  v.key("headers", m.headers, List<Block<HeaderMatch>>{}, "Conditions that must all hold.");
  v.key("query", m.query, List<Block<QueryMatch>>{}, "Likewise, of the query's parameters.");
}

template <class V>
void describe(V& v, Respond& r) {
  v.block("route.respond", "A fixed answer, given without asking anyone.");
  v.key("status", r.status, Whole{200, 599}, "Its status.");
  v.key("body", r.body, Text{kText}, "Its body.");
  v.key("headers", r.headers, HeaderMap{},
        "Its headers, in this order; not Connection, Content-Length, Date, Keep-Alive, Trailer, "
        "Transfer-Encoding or Upgrade, which are the proxy's own.");
}

template <class V>
void describe(V& v, Redirect& r) {
  v.block("route.redirect", "Sends the caller elsewhere; what is absent stays as in the request.");
  v.key("status", r.status, RedirectStatus{}, "Its status.");
  v.key("scheme", r.scheme, Maybe<Text>{{kScheme}},
        "http or https; with https the :80 of the request's host is left out.");
  v.key("host", r.host, Maybe<Text>{{kAuthority}}, "The host, with its port where it needs one.");
  v.key("path", r.path, Maybe<Text>{{kPath}}, "The path; the query stays as in the request.");
}

template <class V>
void describe(V& v, CookieKey& c) {
  v.block("hash_on.cookie", "A cookie, issued to callers that have none.");
  v.required("name", c.name, Text{kHeaderName}, "Its name.");
  v.key("ttl", c.ttl, Maybe<Time>{{.max = std::chrono::hours{24 * 365}}},
        "How long callers keep it; absent: until the browser closes.");
}

template <class V>
void describe(V& v, HashOn& h) {
  v.block(
      "hash_on",
      "What a hash is made of: exactly one of these, or the word `source_ip` or `path` in place "
      "of the map. Requests without it are spread at random.");
  v.key("header", h, HashHeader{}, "The value of this header.");
  v.key("cookie", h, HashCookie{}, "A cookie, issued to callers that have none.");
}

template <class V>
void describe(V& v, SplitTarget& t) {
  v.block("route.split.target", "One of the upstreams that share a route.");
  v.required("upstream", t.upstream, Text{kName}, "Its name.");
  v.key("weight", t.weight, Whole{0, 1'000'000}, "Its share, beside the others'.");
}

template <class V>
void describe(V& v, Split& s) {
  v.block("route.split", "Several upstreams share the requests. A list stands for `to` alone.");
  v.key("hash_on", s.hash_on, Off<HashOnKind>{},
        "What keeps a caller with one of them; absent: each request is drawn anew.");
  v.required("to", s.to, List<Block<SplitTarget>>{}, "The upstreams and their weights.");
}

template <class V>
void describe(V& v, RouteTimeouts& t) {
  v.block("route.timeouts", "How long an exchange may take.");
  v.key("request", t.request, Off<Time>{},
        "From the last byte of the request to the last of the response, all tries and waits "
        "included; then 504.");
  v.key("per_try", t.per_try, Off<Time>{},
        "From the start of a try, its connect included, or from the last byte of the request where "
        "that comes later, to the head of its response.");
  v.key("idle", t.idle, Off<Time>{}, "No byte moved in either direction.");
  v.key("tunnel_idle", t.tunnel_idle, Off<Time>{{.max = std::chrono::hours{24 * 30}}},
        "The same for upgraded connections and event streams, which the other three then leave "
        "alone.");
}

template <class V>
void describe(V& v, RouteLimits& l) {
  v.block("route.limits", "The route's bulkhead and the largest body it takes.");
  v.key("max_requests", l.max_requests, Off<Whole>{{1, 1'000'000}},
        "Requests on their way at once; beyond: 503 `overflow`.");
  v.key("max_body_bytes", l.max_body_bytes, Off<Size>{{0, 1ULL << 40}},
        "The largest request body; beyond: 413.");
}

template <class V>
void describe(V& v, Backoff& b) {
  v.block("route.retry.backoff",
          "The wait before retry n: random in [0, min(max, base * 2^(n-1))].");
  v.key("base", b.base, Time{.min = Duration{0}}, "The bound of the first wait.");
  v.key("max", b.max, Time{.min = Duration{0}}, "The bound of every wait.");
}

template <class V>
void describe(V& v, Retry& r) {
  v.block("route.retry",
          "Tries beyond the first. A block that is absent means max_retries 1 and retry_on without "
          "gateway-error; one that is present starts from the defaults below. All retries are paid "
          "out of the upstream's retry_budget.");
  v.key("max_retries", r.max_retries, Whole{0, 10}, "Tries beyond the first.");
  v.key("retry_on", r.retry_on, RetryOnList{},
        "What deserves another try; `default` stands for the default list, so as to extend it.");
  v.key("methods", r.methods, List<Text>{{kMethod}},
        "Methods that may be tried again after the request may have been processed.");
  v.key("idempotency_key_header", r.idempotency_key_header, Off<Text>{{kHeaderName}},
        "A request that carries it may be tried again whatever its method.");
  v.key("backoff", r.backoff, Block<Backoff>{}, "The wait before a retry.");
  v.key("respect_retry_after", r.respect_retry_after, Off<Time>{},
        "A Retry-After up to this replaces the backoff; a longer one ends the retries.");
  v.key("max_body_bytes", r.max_body_bytes, Size{0, 64 << 20},
        "How much of a request body is kept for another try.");
  v.key("other_endpoint", r.other_endpoint, Flag{}, "Prefer an endpoint not tried yet.");
  v.key("nested", r.nested, Word<NestedRetries>{},
        "`suppress`: a request that is itself a retry of the proxy before is not retried again.");
}

template <class V>
void describe(V& v, Hedge& h) {
  v.block("route.hedge",
          "One more try on another endpoint where the head of a response takes long; the first "
          "head wins. Only of requests that may be retried, and paid out of the retry_budget.");
  v.key("after", h.after, HedgeDelay{},
        "A duration, or p50 to p99 of the upstream's recent time to the head.");
  v.key("max", h.max, Whole{1, 3}, "Hedges of one request at most.");
}

template <class V>
void describe(V& v, Fallback& f) {
  v.block("route.fallback",
          "What is answered instead where there is no better answer: exactly one of `respond` and "
          "`upstream`.");
  v.key("fallback_on", f.fallback_on, List<Word<FallbackWord>>{},
        "When. `overflow` covers queue-timeout and shed; `5xx` is an upstream's, and our 502.");
  v.key("respond", f.respond, Switch<Respond>{}, "A fixed answer.");
  v.key("upstream", f.upstream, Maybe<Text>{{kName}},
        "Another upstream, asked once within the same deadline, where the request may be sent "
        "again.");
}

template <class V>
void describe(V& v, AdaptiveConcurrency& a) {
  v.block("adaptive_concurrency",
          "Finds out how many requests at once are answered without waiting (Gradient2), and lets "
          "no more through.");
  v.key("min", a.min, Whole{1, 1'000'000}, "The least it allows.");
  v.key("max", a.max, Whole{1, 1'000'000}, "The most it allows.");
  v.key("initial", a.initial, Whole{1, 1'000'000},
        "What it begins with; where it is absent, 20 or the nearest that min and max allow.");
  v.key("tolerance", a.tolerance, Decimal{1, 10},
        "How much slower than usual answers may be before it allows less.");
  v.key("smoothing", a.smoothing, Decimal{0.01, 1}, "How quickly it follows; 1: at once.");
  v.key("queue", a.queue, Whole{0, 100'000},
        "Requests that may wait, by criticality and deadline; beyond: 503 `overflow`.");
  v.key("mode", a.mode, Word<PolicyMode>{}, "`observe` counts and reports, but lets all through.");
}

template <class V>
void describe(V& v, FaultDelay& d) {
  v.block("route.fault.delay", "Lets requests wait before anything else is done with them.");
  v.required("percent", d.percent, kPercent, "Of the requests.");
  v.required("duration", d.duration, Time{.max = std::chrono::hours{1}}, "How long.");
}

template <class V>
void describe(V& v, FaultAbort& a) {
  v.block("route.fault.abort", "Answers requests without asking the upstream.");
  v.required("percent", a.percent, kPercent, "Of the requests.");
  v.key("status", a.status, AbortStatus{}, "With this status, or `reset`: the connection breaks.");
}

template <class V>
void describe(V& v, Fault& f) {
  v.block("route.fault",
          "Failures on purpose. They never count against breakers, detectors or budgets.");
  v.key("delay", f.delay, Switch<FaultDelay>{}, "Lets requests wait.");
  v.key("abort", f.abort, Switch<FaultAbort>{}, "Lets requests fail.");
  v.key("headers", f.headers, List<Block<HeaderMatch>>{}, "Only requests for which all hold.");
  v.key("until", f.until, Maybe<Timestamp>{}, "When it ends by itself.");
}

template <class V>
void describe(V& v, RateLimitKey& k) {
  v.block("route.rate_limit.key", "One bucket for each value of a header.");
  v.required("header", k.header, Text{kHeaderName}, "The header.");
  v.key("max_keys", k.max_keys, Whole{1, 1'000'000},
        "Values kept at once; beyond, the one not seen for longest is forgotten.");
}

template <class V>
void describe(V& v, RateLimit& r) {
  v.block("route.rate_limit", "A token bucket of this sidecar; beyond it: 429 `rate-limited`.");
  v.required("requests", r.requests, Whole{1, 1'000'000'000}, "Requests in each `per`.");
  v.key("per", r.per, Time{}, "The time for so many requests.");
  v.key("burst", r.burst, Maybe<Whole>{{1, 1'000'000'000}}, "Requests at once after a rest.",
        "as `requests`");
  v.key("key", r.key, Switch<RateLimitKey>{}, "One bucket for each caller instead of one for all.");
}

template <class V>
void describe(V& v, Mirror& m) {
  v.block("route.mirror",
          "A copy of requests for another upstream, whose answers are dropped. It is sent once, "
          "when the whole body has come, and never waits; bodies beyond 64 KiB, and copies beyond "
          "128 on their way in a worker, are left out and counted.");
  v.required("upstream", m.upstream, Text{kName}, "Who gets the copies.");
  v.key("percent", m.percent, kPercent, "Of the requests.");
}

template <class V>
void describe(V& v, Rewrite& r) {
  v.block("route.rewrite", "Changes of the request target on its way to the upstream.");
  v.key("path_prefix", r.path_prefix, Maybe<Text>{{kPath}},
        "What replaces match.path_prefix, on whole segments; where the match has no path, the "
        "prefix is /. The query stays.");
  v.key(
      "host", r, RewriteHost{},
      "The Host header; `auto`: the endpoint as configured, without :80 (a Unix socket has no "
      "name: the Host stays). `forwarded: append` tells the caller's as X-Forwarded-Host. Without "
      "any from either, as HTTP/1.0 may be, it is as with `auto`, of a Unix socket localhost.");
}

template <class V>
void describe(V& v, HeaderChanges& h) {
  v.block("header_changes",
          "Changes of header fields: remove, then set, then add. They have the last word, also on "
          "what the proxy adds. Values may hold %{request_id}, %{client_ip}, %{upstream} (its "
          "name) and %{attempt} (as in x-outrigger-attempt). Host is changed by rewrite.host; "
          "Connection, Content-Length, Date, Keep-Alive, Proxy, Proxy-Connection, TE, Trailer, "
          "Transfer-Encoding, Upgrade and X-Outrigger-* are the proxy's own.");
  v.key("set", h.set, HeaderMap{}, "Replaces all fields of that name.");
  v.key("add", h.add, HeaderMap{}, "One field more.");
  v.key("remove", h.remove, List<Text>{{kHeaderName}}, "Drops all fields of that name.");
}

template <class V>
void describe(V& v, ConsecutiveFailures& c) {
  v.block("circuit_breaker.consecutive_failures", "Failures in a row.");
  v.key("count", c.count, Whole{1, 1'000'000}, "This many in a row open it.");
  v.key("always", c.always, Flag{}, "Also while the window holds min_requests outcomes or more.");
}

template <class V>
void describe(V& v, SlowCall& s) {
  v.block("circuit_breaker.slow_call", "Slow answers as a reason to open.");
  v.key("over", s.over, Time{}, "A response head that takes longer is slow.");
  v.key("rate_percent", s.rate_percent, kPercent, "At or above this share of slow ones: open.");
}

template <class V>
void describe(V& v, CircuitBreaker& c) {
  v.block("circuit_breaker",
          "Stops asking what keeps failing. Of a route: counts exchanges; of an upstream: tries.");
  v.key("window", c.window, Time{.min = std::chrono::milliseconds{10}},
        "The sliding window, in ten buckets.");
  v.key("min_requests", c.min_requests, Whole{1, 1'000'000},
        "Fewer outcomes in the window never open it by rate.");
  v.key("failure_rate_percent", c.failure_rate_percent, kPercent,
        "At or above this share of failures: open.");
  v.key("consecutive_failures", c.consecutive_failures,
        Off<Short<ConsecutiveFailures, Whole, std::uint32_t>>{
            {&ConsecutiveFailures::count, {1, 1'000'000}}},
        "This many failures in a row: open, while the window holds fewer than min_requests "
        "outcomes.");
  v.key("slow_call", c.slow_call, Switch<SlowCall>{}, "Slow answers as a reason to open.");
  v.key("failures", c.failures, List<Word<BreakerFailure>>{},
        "What counts as a failure; all other responses are successes.");
  v.key("open_for", c.open_for, Time{},
        "How long it stays open; doubled for each half-open period that fails.");
  v.key("max_open_for", c.max_open_for, Time{}, "Where the doubling ends.");
  v.key("half_open_requests", c.half_open_requests, Whole{1, 1000},
        "Probes at once while half-open; so many successes close it.");
  v.key("mode", c.mode, Word<PolicyMode>{}, "`observe` counts and reports, but lets all through.");
}

// What `defaults.route` may hold, and what means nothing beside `respond`.
template <class V>
void describe_policies(V& v, Route& r) {
  v.key("timeouts", r.timeouts, Block<RouteTimeouts>{}, "How long an exchange may take.");
  v.key("limits", r.limits, Block<RouteLimits>{}, "Requests at once, and body size.");
  v.key("retry", r.retry, Switch<Retry>{}, "Tries beyond the first.",
        "max_retries 1, without gateway-error");
  v.key("circuit_breaker", r.circuit_breaker, Switch<CircuitBreaker>{},
        "Stops asking what keeps failing.");
  v.key("hedge", r.hedge, Switch<Hedge>{}, "A second try where the first takes long.");
  v.key("fallback", r.fallback, Switch<Fallback>{}, "What is answered where all else fails.");
  v.key("adaptive_concurrency", r.adaptive_concurrency, Off<AdaptiveBlock>{},
        "A bulkhead that finds its size by itself.");
  v.key("rate_limit", r.rate_limit, Switch<RateLimit>{}, "Requests over time.");
  v.key("criticality", r.criticality, Word<Criticality>{},
        "Under overload `sheddable` is refused at the bound, `normal` at twice the bound, "
        "`critical` only at three times max_buffered_bytes.");
  v.key("fault", r.fault, Switch<Fault>{}, "Failures on purpose.");
  v.key("mirror", r.mirror, Switch<Mirror>{}, "Copies for another upstream.");
  v.key("rewrite", r.rewrite, Switch<Rewrite>{}, "Changes of the request target.");
  v.key("request_headers", r.request_headers, Switch<HeaderChanges>{},
        "Changes of what the upstream gets.");
  v.key("response_headers", r.response_headers, Switch<HeaderChanges>{},
        "Changes of what the caller gets from an upstream; not of local replies.");
  v.unsupported("slo", {"off"});
  v.unsupported("spool", {"off"});
}

template <class V>
void describe(V& v, RouteDefaults& d) {
  v.block("defaults.route", "What every route with an upstream starts from.");
  describe_policies(v, d.route);
}

template <class V>
void describe(V& v, Route& r) {
  v.block("route",
          "Requests that match, and what becomes of them: exactly one of `upstream`, `split`, "
          "`respond` and `redirect`.");
  v.key("name", r.name, Text{kName},
        "Unique in the file; required where a listener has more than one route.",
        "the listener's name");
  v.key("match", r.match, Block<Match>{}, "Which requests it takes.", "all requests");
  v.key("upstream", r.upstream, Maybe<Text>{{kName}}, "The upstream that answers.");
  v.key("respond", r.respond, Switch<Respond>{}, "A fixed answer instead.");
  v.key("split", r.split, Off<SplitKind>{}, "Several upstreams that share the requests.");
  v.key("redirect", r.redirect, Switch<Redirect>{}, "Another place to ask.");
  describe_policies(v, r);
}

template <class V>
void describe(V& v, ListenerLimits& l) {
  v.block("listener.limits", "What a caller may use.");
  v.key("max_connections", l.max_connections, Whole{1, 1'000'000}, "Connections at once.");
  v.key("max_head_bytes", l.max_head_bytes, Size{128, 16 << 20},
        "The request line and all headers; beyond: 431.");
  v.key("max_headers", l.max_headers, Whole{1, 10'000}, "Header fields; beyond: 431.");
  v.key("max_uri_bytes", l.max_uri_bytes, Size{16, 16 << 20}, "The request target; beyond: 414.");
  v.key("max_body_bytes", l.max_body_bytes, Off<Size>{{0, 1ULL << 40}},
        "The largest request body; beyond: 413.");
  v.key("max_chunk_extension_bytes", l.max_chunk_extension_bytes, Size{0, 1 << 20},
        "Chunk extensions of one body, at most 256 bytes a chunk; beyond: 400.");
  v.key("max_trailer_bytes", l.max_trailer_bytes, Size{16, 1 << 20},
        "Trailer fields after a chunked body, at most 64 of them; beyond: 400.");
  v.key("max_pipelined_bytes", l.max_pipelined_bytes, Size{1024, 16 << 20},
        "Sent before the answer to an earlier request is complete; beyond, nothing more is read.");
  v.key("max_requests_per_connection", l.max_requests_per_connection, Off<Whole>{{1, 1'000'000}},
        "Then the connection is closed.");
}

template <class V>
void describe(V& v, ListenerTimeouts& t) {
  v.block("listener.timeouts", "How long a caller may take.");
  v.key("head", t.head, Time{}, "From the first byte to the complete head; then 408.");
  v.key("keepalive", t.keepalive, Time{}, "Idle between requests; then closed silently.");
  v.key("read", t.read, Time{}, "No byte while a request body is expected; then 408.");
  v.key("write", t.write, Time{}, "The caller takes nothing; then the exchange is aborted.");
}

template <class V>
void describe(V& v, Listener& l) {
  v.block("listener", "Where callers connect.");
  v.key("name", l.name, Text{kName}, "Unique in the file.", "`listener-N`, from 0");
  v.required("address", l.address, Text{kBindAddress},
             "Where it listens; port 0 is any free port.");
  v.key("direction", l.direction, Word<Direction>{},
        "`inbound`: stands before the own service; `outbound`: before others. Must be given unless "
        "the address is loopback or a Unix socket.",
        "`outbound` on loopback and Unix sockets");
  v.key("limits", l.limits, Block<ListenerLimits>{}, "What a caller may use.");
  v.key("timeouts", l.timeouts, Block<ListenerTimeouts>{}, "How long a caller may take.");
  v.key("forwarded", l.forwarded, Word<Forwarded>{}, "What becomes of the X-Forwarded-* headers.",
        "`append` inbound, `pass` outbound");
  v.key("path_dots", l.path_dots, Word<PathDots>{}, "`reject` refuses dot segments with 400.",
        "`reject` inbound, `allow` outbound");
  v.key("via", l.via, Flag{}, "Adds a Via header.");
  v.key("upgrades", l.upgrades, List<Text>{{kUpgrade}},
        "Protocols that may be upgraded to; other requests go on without their Upgrade.");
  v.required("routes", l.routes, Routes{}, "What becomes of the requests.");
  v.key("deadline_headers", l.deadline_headers, List<Word<DeadlineHeader>>{},
        "Headers by which a caller says how long it waits; the shortest of these and "
        "timeouts.request counts.");
  v.unsupported("protocol", {"http1", "http"});
  v.unsupported("tls", {"off"});
}

}  // namespace outrigger::config
