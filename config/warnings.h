// What `outrigger check` can warn of: the names, and what the reference says of each.
//
// proxy/lint finds them; the table stands here because `check.ignore` names them. A warning is
// about settings that are right each by itself and defeat one another, or that rarely mean what
// they seem to. Without a rule of proxy/lint a name here does not compile.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace outrigger::config {

struct WarningKind {
  std::string_view name;
  std::string_view meaning;
  std::string_view advice;  // what to change, as a rule; the program's own words have the numbers
};

inline constexpr std::array<WarningKind, 23> kWarnings = {{
    {"per-try-not-below-request",
     "`timeouts.per_try` is not below `timeouts.request`, which therefore always ends a try first.",
     "lower per_try, or leave it out"},
    {"retries-exceed-request",
     "All tries at their full `per_try` (each may fail at its very end), with the longest backoffs "
     "between them, take longer than "
     "`timeouts.request`: the last ones are cut short or never begun.",
     "lower per_try, max_retries or the backoff, or raise timeouts.request"},
    {"per-try-without-retry",
     "`timeouts.per_try` gives up a try that nothing repeats: there are no retries, or `retry_on` "
     "does not name `per-try-timeout` (the default list does not). The caller gets 504 early.",
     "set retry_on: [default, per-try-timeout], or leave per_try out"},
    {"hedge-after-beyond-per-try",
     "`hedge.after` is not below `timeouts.per_try`: the try is over before its hedge is due.",
     "lower hedge.after, or take a percentile such as p95"},
    {"hedge-after-beyond-request",
     "`hedge.after` is not below `timeouts.request`: the request is over before its hedge is due.",
     "lower hedge.after, or take a percentile such as p95"},
    {"method-never-retried",
     "A route with a `retry` or `hedge` of its own takes only methods that `retry.methods` does "
     "not name, or has its `retry` off: once the upstream may have acted, nothing is tried again. "
     "Not "
     "warned of where the route itself names its `idempotency_key_header`.",
     "add methods that are safe to repeat to retry.methods, or name the callers' "
     "idempotency_key_header"},
    {"ejection-impossible",
     "`outlier_detection` is written but cannot eject: a lone endpoint, a cap of 0, as many "
     "`min_available` as endpoints, no detector, or a detector that asks for more endpoints than "
     "there are.",
     "add endpoints, loosen the bound, or set outlier_detection: off"},
    {"breaker-never-opens",
     "Nothing can open the circuit: nothing counts as a failure, more outcomes are asked for than "
     "the window can hold, or `slow_call.over` is longer than any response may take.",
     "lower the bound that is never reached"},
    {"breaker-without-ejection",
     "An upstream of several endpoints has a `circuit_breaker` but no ejection: a part of the "
     "endpoints that fails opens the circuit for the rest.",
     "leave out `outlier_detection: off`, so that single endpoints are taken out first"},
    {"rate-limit-per-sidecar",
     "A `rate_limit` counts in its own sidecar only, so that what gets through grows with their "
     "number. Not warned of on an inbound listener without `key`, where that is the point.",
     "divide by the number of sidecars, or limit at the callee's inbound listener"},
    {"retries-without-budget",
     "The `retry_budget` of an upstream that is retried bounds nothing (`percent` 100, or "
     "`min_per_second` 100 and more), or grants nothing at all.",
     "set percent to 20, or between 1 and 50"},
    {"idle-beyond-keepalive",
     "`timeouts.idle` of an upstream is 5s or more. Many servers close idle connections after 5s "
     "(Node) or 2s (gunicorn); a request on a connection that is just being closed is lost.",
     "leave idle at auto, which goes by the server's Keep-Alive, else 4s"},
    {"fallback-loop",
     "The `fallback` leads back: to the upstream that has just failed, to the same endpoints under "
     "another name, or through an upstream to the listener that it came from.",
     "name an upstream that fails for other reasons, or respond"},
    {"delete-retried",
     "A `retry` covers DELETE, by the route's `match.methods` or its own `retry.methods`: where "
     "only the answer was lost the second one finds nothing, and a success becomes a 404.",
     "leave DELETE out of retry.methods"},
    {"panic-before-ejection-cap",
     "`panic_threshold_percent` is reached while `max_ejection_percent` would still allow "
     "ejections: with health checks, traffic returns to unhealthy endpoints earlier than the cap "
     "promises.",
     "lower panic_threshold_percent or max_ejection_percent, to 100 together"},
    {"single-address-service",
     "The only endpoint is the name of a Service: NAME.NAMESPACE.svc…, or a name without a dot. A "
     "ClusterIP is one address: ejection, other_endpoint, hedging and balancing have nothing to "
     "choose from.",
     "name a headless Service, whose name gives the addresses of all pods"},
    {"outbound-not-loopback",
     "An outbound listener can be reached from outside: whoever can connect calls the upstreams "
     "through it, with this service's place in the network.",
     "bind it to 127.0.0.1 or a Unix socket, or set direction: inbound"},
    {"loopback-host-passthrough",
     "A route of an outbound listener on loopback takes any host and passes it on to an upstream "
     "named by a host name, which gets `Host: 127.0.0.1:PORT` from callers that use the "
     "listener's address.",
     "set rewrite: {host: auto}, or match.hosts where callers send the right host"},
    {"request-timeout-unbounded-stream",
     "A stream has the wrong bound. None: `timeouts.request` and `timeouts.idle` are both off, or "
     "`tunnel_idle` is, which alone bounds upgraded connections and event streams. Or one that it "
     "cannot keep: `match` takes only endless streams (gRPC, NDJSON, `watch=true`), and `request` "
     "has its default.",
     "bound streams by idle and tunnel_idle, not by request"},
    {"health-check-load",
     "Health checks cost much: a `timeout` not below `interval`, an `interval` below 1s, or more "
     "than 100 checks a second. Every sidecar makes its own.",
     "raise interval, or lower timeout below it"},
    {"fd-limit",
     "`overload.max_connections` is written and asks for more descriptors (two a connection, and "
     "64) than the hard limit of where the check runs; the daemon then takes fewer.",
     "raise the hard limit (ulimit -Hn, LimitNOFILE), or lower overload.max_connections"},
    {"drain-beyond-grace",
     "`shutdown.delay` (which only inbound listeners wait for), `drain_timeout` and 5s are "
     "together "
     "more than 30s, the grace period that Kubernetes gives a pod by default: the rest is killed.",
     "set the pod's terminationGracePeriodSeconds to at least the sum and ignore this, or shorten"},
    {"unused-upstream", "No route, split, fallback or mirror leads to the upstream.",
     "remove it, or the mistake in the name that should have led there"},
}};

inline constexpr auto kWarningNames = [] {
  std::array<std::string_view, kWarnings.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kWarnings[i].name;
  return names;
}();

// The table of config/README.md.
std::string warnings_reference();

}  // namespace outrigger::config
