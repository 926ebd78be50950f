// What a user can say: plain structs with the defaults in place.
//
// The meaning of each key is in config/README.md; this file holds units and defaults. `optional`
// empty = `off`. load.h fills it from YAML, validate.h checks what two keys say together.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace outrigger::config {

using Duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;

// Where a thing stands in the file; both from 1, 0 = nowhere (a default).
struct Location {
  int line = 0;
  int column = 0;
};

struct Node {
  std::string id;
  std::string zone;
};

enum class LogLevel { Trace, Debug, Info, Warn, Error };
enum class LogFormat { Text, Json };

struct Log {
  LogLevel level = LogLevel::Info;
  LogFormat format = LogFormat::Text;
};

// What may be injected at run time, where anything may.
struct AdminFaults {
  double max_percent = 25;
  Duration max_duration = 1h;
};

struct Admin {
  std::string address = "127.0.0.1:9901";  // host:port or unix:/path
  std::optional<std::string> token_file;
  std::vector<std::string> hosts;
  std::optional<AdminFaults> faults;
};

struct Metrics {
  std::optional<std::string> address;  // off: only on the admin address
  bool endpoint_labels = false;
};

struct Ready {
  std::vector<std::string> upstreams;
};

enum class AccessLogOnly { All, Errors, Slow, Notable };

// A line an exchange.
struct AccessLog {
  std::string path = "/dev/stdout";
  LogFormat format = LogFormat::Json;
  AccessLogOnly only = AccessLogOnly::All;
  Duration slow = 1s;
  double sample_percent = 100;
  bool query = false;
};

enum class OutboundDrain { UntilIdle, UntilTimeout, Immediate };

struct Shutdown {
  Duration delay = 5s;
  Duration drain_timeout = 20s;
  OutboundDrain outbound = OutboundDrain::UntilIdle;
};

struct Overload {
  std::uint32_t max_connections = 20000;
  std::optional<std::uint64_t> max_buffered_bytes;  // empty: auto
  std::optional<Duration> max_loop_lag = 100ms;
};

enum class LocalReplyFormat { Text, Json };

struct LocalReplies {
  LocalReplyFormat format = LocalReplyFormat::Text;
};

// The names of warnings that `outrigger check` keeps to itself.
struct Check {
  std::vector<std::string> ignore;
};

// Which key a hash is made of, so that equal ones go the same way.
struct HashOn {
  enum class Kind { Header, Cookie, SourceIp, Path } kind = Kind::SourceIp;
  std::string name;             // of the header or cookie
  std::optional<Duration> ttl;  // of a cookie issued; empty: until the browser closes
};

// Routes.

struct HeaderMatch {
  std::string name;  // compared without case
  enum class Kind { Value, Prefix, Regex, Present, Absent } kind = Kind::Present;
  std::string value;
};

// Of one parameter of the query; names are compared with case.
struct QueryMatch : HeaderMatch {};

struct Match {
  std::vector<std::string> hosts;  // exact, or "*.suffix"; empty = any
  enum class PathKind { Any, Exact, Prefix, Regex } path_kind = PathKind::Any;
  std::string path;
  std::vector<std::string> methods;  // empty = any
  std::vector<HeaderMatch> headers;
  std::vector<QueryMatch> query;
};

struct Respond {
  int status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

struct SplitTarget {
  std::string upstream;
  std::uint32_t weight = 1;
  Location location;
};

struct Split {
  std::vector<SplitTarget> to;
  std::optional<HashOn> hash_on;  // empty: drawn anew for each request
};

// What is absent stays as in the request.
struct Redirect {
  int status = 308;
  std::optional<std::string> scheme;
  std::optional<std::string> host;
  std::optional<std::string> path;
};

struct RouteTimeouts {
  std::optional<Duration> request = 15s;
  std::optional<Duration> per_try;
  std::optional<Duration> idle = 60s;
  std::optional<Duration> tunnel_idle = 1h;
};

struct RouteLimits {
  std::optional<std::uint32_t> max_requests;
  std::optional<std::uint64_t> max_body_bytes;
};

// One word of retry_on, or a status number (then status != 0).
enum class RetryWord {
  ConnectFailure,
  RefusedStream,
  ResetBeforeRequest,
  StaleConnection,
  RefusedElsewhere,
  Reset,
  PerTryTimeout,
  GatewayError,  // 502 503 504
  FiveXx,
  Retriable4xx,  // 409 425
  RateLimited,   // 429
};

struct RetryOn {
  std::set<RetryWord> words;
  std::set<int> statuses;
};

struct Backoff {
  Duration base = 25ms;
  Duration max = 250ms;
};

enum class NestedRetries { Suppress, Allow };

// The values of a `retry` block that is present; `absent_retry()` are those of one that is not.
struct Retry {
  int max_retries = 2;
  RetryOn retry_on = {{RetryWord::ConnectFailure, RetryWord::RefusedStream,
                       RetryWord::ResetBeforeRequest, RetryWord::StaleConnection,
                       RetryWord::RefusedElsewhere, RetryWord::Reset, RetryWord::GatewayError},
                      {}};
  std::vector<std::string> methods = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
  std::optional<std::string> idempotency_key_header = "Idempotency-Key";
  Backoff backoff;
  std::optional<Duration> respect_retry_after = 1s;
  std::uint64_t max_body_bytes = 64 * 1024;
  bool other_endpoint = true;
  NestedRetries nested = NestedRetries::Suppress;
};

inline Retry absent_retry() {
  Retry retry;
  retry.max_retries = 1;
  retry.retry_on.words.erase(RetryWord::GatewayError);
  return retry;
}

// No response head `after` that long: one more try on another endpoint.
struct Hedge {
  struct After {
    Duration time{};                // or, where `percentile` is not 0,
    std::uint32_t percentile = 95;  // of the upstream's recent time to the head
  } after;
  std::uint32_t max = 1;
};

enum class FallbackWord {
  CircuitOpen,
  NoHealthyUpstream,
  Timeout,
  Overflow,  // also queue-timeout and shed
  FiveXx,    // an upstream's, and our 502
  ConnectFailure,
  Reset,
  RateLimited,
};

struct Fallback {
  std::set<FallbackWord> fallback_on = {FallbackWord::CircuitOpen, FallbackWord::NoHealthyUpstream,
                                        FallbackWord::Timeout, FallbackWord::Overflow};
  std::optional<Respond> respond;  // exactly one of respond, upstream
  std::optional<std::string> upstream;
};

enum class PolicyMode { Enforce, Observe };

enum class BreakerFailure { FiveXx, ConnectFailure, Reset, Timeout };

struct ConsecutiveFailures {
  std::uint32_t count = 5;
  bool always = false;
};

struct SlowCall {
  Duration over = 1s;
  double rate_percent = 80;
};

struct CircuitBreaker {
  Duration window = 10s;
  std::uint32_t min_requests = 20;
  double failure_rate_percent = 50;
  std::optional<ConsecutiveFailures> consecutive_failures = ConsecutiveFailures{};
  std::optional<SlowCall> slow_call;
  std::set<BreakerFailure> failures = {BreakerFailure::FiveXx, BreakerFailure::ConnectFailure,
                                       BreakerFailure::Reset, BreakerFailure::Timeout};
  Duration open_for = 5s;
  Duration max_open_for = 60s;
  std::uint32_t half_open_requests = 3;
  PolicyMode mode = PolicyMode::Enforce;
};

// Netflix's Gradient2, of a route or an upstream.
struct AdaptiveConcurrency {
  std::uint32_t min = 3;
  std::uint32_t max = 1000;
  std::uint32_t initial = 20;
  double tolerance = 1.5;
  double smoothing = 0.2;
  std::uint32_t queue = 10;
  PolicyMode mode = PolicyMode::Enforce;
};

struct FaultDelay {
  double percent = 0;
  Duration duration{};
};

struct FaultAbort {
  double percent = 0;
  int status = 503;  // 0: reset
};

struct Fault {
  std::optional<FaultDelay> delay;
  std::optional<FaultAbort> abort;
  std::vector<HeaderMatch> headers;               // all must hold
  std::optional<std::chrono::sys_seconds> until;  // empty: without end
};

struct RateLimitKey {
  std::string header;
  std::uint32_t max_keys = 1000;
};

// A token bucket: `requests` tokens come back each `per`, at most `burst` are kept.
struct RateLimit {
  std::uint32_t requests = 0;
  Duration per = 1s;
  std::optional<std::uint32_t> burst;  // empty: as many as `requests`
  std::optional<RateLimitKey> key;     // empty: one bucket for all
};

struct Mirror {
  std::string upstream;
  double percent = 100;
};

struct Rewrite {
  std::optional<std::string> path_prefix;  // instead of the matched prefix
  std::optional<std::string> host;
  bool host_auto = false;  // the endpoint's configured name
};

// In this order: remove, set, add. Values may hold %{…} variables.
struct HeaderChanges {
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::pair<std::string, std::string>> add;
  std::vector<std::string> remove;
};

enum class Criticality { Critical, Normal, Sheddable };

struct Route {
  std::string name;
  Match match;
  std::optional<std::string> upstream;  // exactly one of upstream, split, respond, redirect
  std::optional<Split> split;
  std::optional<Respond> respond;
  std::optional<Redirect> redirect;
  RouteTimeouts timeouts;
  RouteLimits limits;
  std::optional<Retry> retry = absent_retry();  // empty: `retry: off`
  std::optional<Hedge> hedge;
  std::optional<CircuitBreaker> circuit_breaker;
  std::optional<Fallback> fallback;
  std::optional<AdaptiveConcurrency> adaptive_concurrency;
  std::optional<Fault> fault;
  std::optional<RateLimit> rate_limit;
  std::optional<Mirror> mirror;
  std::optional<Rewrite> rewrite;
  std::optional<HeaderChanges> request_headers;
  std::optional<HeaderChanges> response_headers;
  Criticality criticality = Criticality::Normal;
  Location location;

  // Neither respond nor redirect: an upstream is asked.
  bool forwards() const { return upstream || split; }
};

// Listeners.

enum class DeadlineHeader { XRequestTimeoutMs, GrpcTimeout };

enum class Direction { Inbound, Outbound };
enum class Forwarded { Append, Pass, Remove };
enum class PathDots { Allow, Reject };

struct ListenerLimits {
  std::uint32_t max_connections = 10000;
  std::uint64_t max_head_bytes = 64 * 1024;
  std::uint32_t max_headers = 128;
  std::uint64_t max_uri_bytes = 16 * 1024;
  std::optional<std::uint64_t> max_body_bytes;
  std::uint64_t max_chunk_extension_bytes = 16 * 1024;
  std::uint64_t max_trailer_bytes = 8 * 1024;
  std::uint64_t max_pipelined_bytes = 64 * 1024;
  std::optional<std::uint32_t> max_requests_per_connection;
};

struct ListenerTimeouts {
  Duration head = 10s;
  Duration keepalive = 75s;
  Duration read = 60s;
  Duration write = 60s;
};

struct Listener {
  std::string name;
  std::string address;  // host:port, [v6]:port, unix:/path
  Direction direction = Direction::Outbound;
  ListenerLimits limits;
  ListenerTimeouts timeouts;
  Forwarded forwarded = Forwarded::Pass;  // default by direction
  PathDots path_dots = PathDots::Allow;   // default by direction
  bool via = false;
  std::vector<std::string> upgrades = {"websocket"};
  std::set<DeadlineHeader> deadline_headers = {DeadlineHeader::XRequestTimeoutMs,
                                               DeadlineHeader::GrpcTimeout};
  std::vector<Route> routes;
  Location location;
};

// Upstreams.

struct Endpoint {
  std::string address;  // host:port, [v6]:port, unix:/path; a host name is resolved
  std::uint32_t weight = 1;
  std::string zone;
  std::uint32_t priority = 0;  // 0 is asked first
  Location location;
};

enum class LoadBalancerPolicy { P2cEwma, LeastRequest, RoundRobin, Random, RingHash, Maglev };

struct ZoneAware {
  std::uint32_t min_endpoints = 3;
};

struct LoadBalancer {
  LoadBalancerPolicy policy = LoadBalancerPolicy::P2cEwma;
  std::optional<HashOn> hash_on;  // of RingHash and Maglev
  std::optional<Duration> slow_start;
  std::optional<double> panic_threshold_percent = 25;
  std::optional<ZoneAware> zone_aware;
};

struct RetryBudget {
  double percent = 20;
  double min_per_second = 0.5;
  Duration window = 10s;
};

struct SuccessRateDetector {
  std::uint32_t min_endpoints = 3;
  std::uint32_t min_requests = 100;
  double stdev_factor = 1.9;
  double min_gap_percent = 10;
};

struct FailurePercentageDetector {
  double threshold_percent = 85;
  std::uint32_t min_endpoints = 1;
  std::uint32_t min_requests = 50;
};

struct LatencyDetector {
  double factor = 3;
  std::uint32_t min_endpoints = 3;
  std::uint32_t min_requests = 50;
  Duration floor = 50ms;
};

// The values of a block that is absent; one that is present starts from
// present_outlier_detection().
struct OutlierDetection {
  std::optional<std::uint32_t> consecutive_local_origin_failures = 5;
  std::optional<std::uint32_t> consecutive_gateway_errors;
  std::optional<std::uint32_t> consecutive_5xx;
  std::optional<SuccessRateDetector> success_rate;
  std::optional<FailurePercentageDetector> failure_percentage;
  std::optional<LatencyDetector> latency;
  Duration base_ejection_time = 30s;
  Duration max_ejection_time = 300s;
  Duration interval = 10s;
  double max_ejection_percent = 50;
  std::uint32_t min_available = 1;
  PolicyMode mode = PolicyMode::Enforce;
};

inline OutlierDetection present_outlier_detection() {
  OutlierDetection detection;
  detection.consecutive_gateway_errors = 5;
  detection.success_rate.emplace();
  return detection;
}

struct StatusRange {
  int first = 200;
  int last = 299;
};

struct HttpHealthCheck {
  std::string path = "/healthz";
  std::optional<std::string> host;  // empty: the endpoint's configured address
  std::vector<StatusRange> expect = {{200, 299}};
  std::vector<std::pair<std::string, std::string>> headers;
};

// Opening a connection is enough.
struct TcpHealthCheck {};

enum class InitialHealth { Healthy, Unhealthy };

struct HealthCheck {
  std::optional<HttpHealthCheck> http;  // exactly one of http, tcp
  std::optional<TcpHealthCheck> tcp;
  std::optional<std::uint16_t> port;  // empty: the endpoint's
  Duration interval = 10s;
  Duration no_traffic_interval = 60s;
  Duration timeout = 2s;
  std::uint32_t healthy_threshold = 2;
  std::uint32_t unhealthy_threshold = 3;
  double jitter_percent = 10;
  InitialHealth initially = InitialHealth::Healthy;
};

struct UpstreamTimeouts {
  Duration connect = 1s;
  std::optional<Duration> idle;  // empty: auto
  std::optional<Duration> max_connection_duration = 10min;
};

struct UpstreamLimits {
  std::uint32_t max_connections = 1024;
  std::uint32_t max_requests = 1024;
  std::uint32_t max_pending = 1024;
  Duration pending_timeout = 1s;
  std::optional<std::uint32_t> max_connections_per_endpoint;
  std::optional<std::uint32_t> max_requests_per_endpoint;
  std::optional<std::uint32_t> max_requests_per_connection;
  std::uint64_t max_head_bytes = 64 * 1024;
  std::uint32_t max_headers = 256;
  std::uint32_t max_informational_responses = 16;
  std::uint64_t max_chunk_extension_bytes = 16 * 1024;
  std::uint64_t max_trailer_bytes = 8 * 1024;
};

struct Upstream {
  std::string name;
  std::vector<Endpoint> endpoints;
  LoadBalancer load_balancer;
  RetryBudget retry_budget;
  std::optional<CircuitBreaker> circuit_breaker;
  std::optional<OutlierDetection> outlier_detection = OutlierDetection{};  // empty: off
  std::optional<HealthCheck> health_check;
  std::optional<AdaptiveConcurrency> adaptive_concurrency;
  UpstreamTimeouts timeouts;
  UpstreamLimits limits;
  Location location;
};

inline constexpr std::uint64_t kMaxWorkers = 64;

struct Config {
  std::string file;  // as named by the user
  Node node;
  std::optional<std::uint64_t> workers = 1;  // event loops; empty: auto
  std::optional<Admin> admin = Admin{};      // empty: off
  Metrics metrics;
  Ready ready;
  Log log;
  std::optional<AccessLog> access_log;  // empty: off
  Shutdown shutdown;
  Overload overload;
  LocalReplies local_replies;
  Check check;
  std::vector<Listener> listeners;
  std::vector<Upstream> upstreams;  // in the file's order; names are unique
  // Paths ("listeners[0].routes[1].name") whose value came from ${…}: shown as *** in /config.
  std::set<std::string> from_environment;
};

}  // namespace outrigger::config
