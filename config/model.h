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

struct Admin {
  std::string address = "127.0.0.1:9901";  // host:port or unix:/path
  std::optional<std::string> token_file;
  std::vector<std::string> hosts;
};

struct Metrics {
  std::optional<std::string> address;  // off: only on the admin address
  bool endpoint_labels = false;
};

struct Ready {
  std::vector<std::string> upstreams;
};

enum class OutboundDrain { UntilIdle, UntilTimeout, Immediate };

struct Shutdown {
  Duration delay = 5s;
  Duration drain_timeout = 20s;
  OutboundDrain outbound = OutboundDrain::UntilIdle;
};

struct Overload {
  std::uint32_t max_connections = 20000;
};

enum class LocalReplyFormat { Text, Json };

struct LocalReplies {
  LocalReplyFormat format = LocalReplyFormat::Text;
};

// The names of warnings that `outrigger check` keeps to itself.
struct Check {
  std::vector<std::string> ignore;
};

// Routes.

struct HeaderMatch {
  std::string name;  // compared without case
  enum class Kind { Value, Prefix, Regex, Present, Absent } kind = Kind::Present;
  std::string value;
};

struct Match {
  std::vector<std::string> hosts;  // exact, or "*.suffix"; empty = any
  enum class PathKind { Any, Exact, Prefix, Regex } path_kind = PathKind::Any;
  std::string path;
  std::vector<std::string> methods;  // empty = any
  std::vector<HeaderMatch> headers;
};

struct Respond {
  int status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
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

struct Route {
  std::string name;
  Match match;
  std::optional<std::string> upstream;  // exactly one of upstream, respond
  std::optional<Respond> respond;
  RouteTimeouts timeouts;
  RouteLimits limits;
  std::optional<Retry> retry = absent_retry();  // empty: `retry: off`
  std::optional<CircuitBreaker> circuit_breaker;
  Location location;
};

// Listeners.

enum class Direction { Inbound, Outbound };
enum class Forwarded { Append, Pass, Remove };
enum class PathDots { Allow, Reject };

struct ListenerLimits {
  std::uint32_t max_connections = 10000;
  std::uint64_t max_head_bytes = 64 * 1024;
  std::uint32_t max_headers = 128;
  std::uint64_t max_uri_bytes = 16 * 1024;
  std::optional<std::uint64_t> max_body_bytes;
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
  std::vector<Route> routes;
  Location location;
};

// Upstreams.

struct Endpoint {
  std::string address;  // host:port, [v6]:port, unix:/path; a host name is resolved
  std::uint32_t weight = 1;
  Location location;
};

enum class LoadBalancerPolicy { P2cEwma, LeastRequest, RoundRobin, Random };

struct LoadBalancer {
  LoadBalancerPolicy policy = LoadBalancerPolicy::P2cEwma;
};

struct RetryBudget {
  double percent = 20;
  double min_per_second = 0.5;
  Duration window = 10s;
};

// The values of a block that is absent; one that is present starts from
// present_outlier_detection().
struct OutlierDetection {
  std::optional<std::uint32_t> consecutive_local_origin_failures = 5;
  std::optional<std::uint32_t> consecutive_gateway_errors;
  std::optional<std::uint32_t> consecutive_5xx;
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
  return detection;
}

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
};

struct Upstream {
  std::string name;
  std::vector<Endpoint> endpoints;
  LoadBalancer load_balancer;
  RetryBudget retry_budget;
  std::optional<CircuitBreaker> circuit_breaker;
  std::optional<OutlierDetection> outlier_detection = OutlierDetection{};  // empty: off
  UpstreamTimeouts timeouts;
  UpstreamLimits limits;
  Location location;
};

struct Config {
  std::string file;  // as named by the user
  Node node;
  std::uint32_t workers = 1;
  std::optional<Admin> admin = Admin{};  // empty: off
  Metrics metrics;
  Ready ready;
  Log log;
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
