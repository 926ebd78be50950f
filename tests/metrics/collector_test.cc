#include "proxy/metrics/collector.h"

#include <cstdio>
#include <set>

#include "tests/metrics/scripted.h"
#include "tests/support/catch.h"

namespace outrigger::metrics {
namespace {

using namespace std::chrono_literals;
using namespace test;
using policy::TryOutcome;

exchange::BreakerLive breaker(policy::CircuitState state) {
  return {.present = true, .state = state, .transitions_to = {1, 2, 3}, .rejected = 4};
}

exchange::EndpointLive endpoint(std::string address, std::string state) {
  exchange::EndpointLive made;
  made.address = std::move(address);
  made.state = std::move(state);
  made.outcomes = {{"success", 5}, {"5xx", 0}};
  return made;
}

exchange::UpstreamLive upstream(std::string name) {
  exchange::UpstreamLive made;
  made.name = std::move(name);
  made.endpoints = {endpoint("10.0.0.1:80", "healthy"), endpoint("10.0.0.2:80", "healthy"),
                    endpoint("10.0.0.3:80", "ejected")};
  made.breaker = breaker(policy::CircuitState::Open);
  made.retry_budget_remaining = 2.5;
  made.requests_in_flight = 6;
  made.requests_pending = 7;
  made.connections_active = 1;
  made.connections_idle = 2;
  made.connections_connecting = 3;
  made.connects = {{"success", 9}, {"refused", 0}};
  made.ejections = {{"consecutive-5xx", 1}, {"probation", 0}};
  made.ejections_denied = {{"lone", 2}, {"common-mode", 0}};
  made.limits = {{"max_requests", 1024}};
  made.pending_duration.buckets[0] = 3;
  made.bytes_in = 11;
  made.bytes_out = 12;
  return made;
}

exchange::LiveState live() {
  exchange::LiveState made;
  made.listeners = {{.name = "main", .connections = 3, .bytes_in = 100, .bytes_out = 200},
                    {.name = "second"}};
  made.routes.resize(2);
  made.routes[0] = {
      .name = "a", .listener = "main", .breaker = breaker(policy::CircuitState::HalfOpen)};
  made.routes[1] = {.name = "b", .listener = "main"};
  made.upstreams = {upstream("u"), upstream("v")};
  made.upstreams[1].ejection_observe = true;
  made.upstreams[1].ejections_observed = {{"consecutive-5xx", 3}, {"latency", 0}};
  made.upstreams[1].breaker = {};
  made.event_loop_lag_seconds = 0.25;
  made.reloads_succeeded = 2;
  made.reloads_failed = 1;
  made.last_reload_successful = false;
  made.last_reload_success_timestamp = 1700000000;
  return made;
}

// Some of everything that a record can tell, on a route, on none, and in all variants.
void count_everything(exchange::Observer& observer) {
  for (std::size_t i = 1; i < static_cast<std::size_t>(exchange::FailureKind::kCount); ++i) {
    auto made = record(503);
    made.failure = static_cast<exchange::FailureKind>(i);
    made.local_reply = made.failure != exchange::FailureKind::CallerGone;
    count(observer, made);
    auto lost = without_route(404, i % 2);
    lost.failure = made.failure;
    lost.local_reply = made.local_reply;
    count(observer, lost);
  }
  for (std::size_t i = 1; i < static_cast<std::size_t>(exchange::TimeoutKind::kCount); ++i) {
    for (const auto& base : {record(504), record(504, 1, 1), record(200, 2, exchange::kNoIndex),
                             without_route(408, 0), without_route(408, 1)}) {
      auto made = base;
      made.timeout = static_cast<exchange::TimeoutKind>(i);
      count(observer, made);
    }
  }
  for (std::size_t i = 1; i < static_cast<std::size_t>(exchange::LimitKind::kCount); ++i) {
    auto made = record(503);
    made.limit = static_cast<exchange::LimitKind>(i);
    count(observer, made);
  }
  for (std::size_t i = 1; i < policy::kDenials; ++i) {
    auto made = record(502);
    made.retry_denied = static_cast<policy::Denial>(i);
    count(observer, made);
  }
  for (std::size_t i = 0; i < policy::kRetryReasons; ++i) {
    auto made = record(200);
    add_try(made, TryKind::First, {.outcome = TryOutcome::Reset}, 1ms);
    add_try(made, TryKind::Retry, {.status = 200}, 1ms);
    made.retry_reasons[1] = static_cast<policy::RetryReason>(i);
    count(observer, made);
  }
}

exchange::LiveState everything_live() {
  auto made = live();
  made.endpoint_labels = true;
  made.upstreams[0].resolves_names = true;
  for (auto& listener : made.listeners) {
    listener.timeouts = {{"head", 1}, {"keepalive", 2}};
    listener.overflows = {{"max_connections", 1}, {"overload.max_connections", 1}};
  }
  return made;
}

// Exit status of `promtool check metrics`; what it says goes to stderr. 127: not installed.
int promtool(const std::string& page) {
  std::FILE* pipe = popen("promtool check metrics 1>&2", "w");
  if (!pipe) return -1;
  std::fwrite(page.data(), 1, page.size(), pipe);
  return WEXITSTATUS(pclose(pipe));
}

TEST_CASE("everything that is live is on the page") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  const Page page = page_of({&meter}, live());
  for (const std::string sample : {
           R"(circuit_breaker_state{scope="route",name="a"} 1)",
           R"(circuit_breaker_state{scope="upstream",name="u"} 2)",
           R"(circuit_breaker_transitions_total{scope="upstream",name="u",to="closed"} 1)",
           R"(circuit_breaker_transitions_total{scope="upstream",name="u",to="half-open"} 2)",
           R"(circuit_breaker_transitions_total{scope="upstream",name="u",to="open"} 3)",
           R"(circuit_breaker_rejected_total{scope="route",name="a"} 4)",
           R"(outlier_ejections_total{upstream="u",detector="consecutive-5xx",mode="enforce"} 1)",
           R"(outlier_ejections_total{upstream="u",detector="probation",mode="enforce"} 0)",
           R"(outlier_ejections_total{upstream="v",detector="consecutive-5xx",mode="enforce"} 1)",
           R"(outlier_ejections_total{upstream="v",detector="consecutive-5xx",mode="observe"} 3)",
           R"(outlier_ejections_total{upstream="v",detector="latency",mode="observe"} 0)",
           R"(outlier_ejections_denied_total{upstream="u",cause="lone"} 2)",
           R"(upstream_endpoints{upstream="u",state="healthy"} 2)",
           R"(upstream_endpoints{upstream="u",state="unhealthy"} 0)",
           R"(upstream_endpoints{upstream="u",state="ejected"} 1)",
           R"(upstream_endpoints{upstream="u",state="probation"} 0)",
           R"(upstream_panic{upstream="u"} 0)",
           R"(upstream_connections{upstream="u",state="active"} 1)",
           R"(upstream_connections{upstream="u",state="idle"} 2)",
           R"(upstream_connections{upstream="u",state="connecting"} 3)",
           R"(upstream_connects_total{upstream="u",result="success"} 9)",
           R"(upstream_connects_total{upstream="u",result="refused"} 0)",
           R"(upstream_requests_in_flight{upstream="u"} 6)",
           R"(upstream_requests_pending{upstream="u"} 7)",
           R"(upstream_pending_duration_seconds_count{upstream="u"} 3)",
           R"(upstream_limit{upstream="u",limit="max_requests"} 1024)",
           R"(upstream_bytes_total{upstream="u",direction="in"} 11)",
           R"(upstream_bytes_total{upstream="u",direction="out"} 12)",
           R"(retry_budget_remaining{upstream="u"} 2.5)",
           R"(downstream_connections{listener="main"} 3)",
           R"(downstream_bytes_total{listener="main",direction="in"} 100)",
           R"(downstream_bytes_total{listener="main",direction="out"} 200)",
           R"(config_reloads_total{result="success"} 2)",
           R"(config_reloads_total{result="failure"} 1)",
           R"(config_last_reload_successful 0)",
           R"(config_last_reload_success_timestamp_seconds 1700000000)",
           R"(event_loop_lag_seconds 0.25)",
           R"(access_log_dropped_total 0)",
           R"(draining 0)",
           R"(build_info{version=")" OUTRIGGER_VERSION R"("} 1)",
       }) {
    CAPTURE(sample);
    CHECK(page.has(sample));
  }
}

TEST_CASE("what is off or has not happened has no series") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  const Page page = page_of({&meter}, live());
  CHECK_FALSE(page.mentions(R"(scope="route",name="b")"));     // no breaker there
  CHECK_FALSE(page.mentions(R"(scope="upstream",name="v")"));  //
  CHECK_FALSE(page.mentions(R"(cause="common-mode")"));        // a cause without an event
  CHECK_FALSE(page.mentions("health_checks_total"));           // none are made
  CHECK_FALSE(page.mentions("discovery_"));                    // no names to resolve
  CHECK_FALSE(page.mentions("endpoint_up"));                   // endpoint_labels is off
  CHECK_FALSE(page.mentions("endpoint_attempts_total"));       //
  CHECK_FALSE(page.mentions("timeouts_total"));
}

TEST_CASE("health checks have their results from the start") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  auto state = live();
  state.upstreams[0].health_checks = {{"success", 4}, {"failure", 0}, {"timeout", 2}};
  state.upstreams[0].endpoints[1].state = "unhealthy";
  const Page page = page_of({&meter}, state);
  CHECK(page.has(R"(health_checks_total{upstream="u",result="success"} 4)"));
  CHECK(page.has(R"(health_checks_total{upstream="u",result="failure"} 0)"));
  CHECK(page.has(R"(health_checks_total{upstream="u",result="timeout"} 2)"));
  CHECK(page.has(R"(upstream_endpoints{upstream="u",state="unhealthy"} 1)"));
  CHECK(page.has(R"(upstream_endpoints{upstream="u",state="healthy"} 1)"));
}

TEST_CASE("limits are shown before they were hit") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  auto state = live();
  state.listeners[0].overflows = {{"max_connections", 0}};
  const Page page = page_of({&meter}, state);
  for (const std::string limit : {"max_connections", "max_requests", "max_pending",
                                  "pending_timeout", "route.max_requests"}) {
    CAPTURE(limit);
    CHECK(page.has(R"(overflow_total{upstream="u",limit=")" + limit + R"("} 0)"));
  }
  CHECK(page.has(R"(overflow_total{upstream="",limit="max_connections"} 0)"));
}

TEST_CASE("names that are resolved have their resolution's series") {
  ExchangeMeter meter;
  auto state = live();
  state.upstreams[0].resolves_names = true;
  state.upstreams[0].discovery_failures = 2;
  state.upstreams[0].discovery_last_success = 1600000000;
  const Page page = page_of({&meter}, state);
  CHECK(page.has(R"(discovery_failures_total{upstream="u"} 2)"));
  CHECK(page.has(R"(discovery_last_success_timestamp_seconds{upstream="u"} 1600000000)"));
  CHECK_FALSE(page.mentions(R"(discovery_failures_total{upstream="v"})"));
}

TEST_CASE("endpoints have series where asked for, up to a bound") {
  ExchangeMeter meter;
  auto state = live();
  state.endpoint_labels = true;
  const Page page = page_of({&meter}, state);
  CHECK(page.has(R"(endpoint_up{upstream="u",endpoint="10.0.0.1:80"} 1)"));
  CHECK(page.has(R"(endpoint_up{upstream="u",endpoint="10.0.0.3:80"} 0)"));
  CHECK(page.has(
      R"(endpoint_attempts_total{upstream="u",endpoint="10.0.0.1:80",outcome="success"} 5)"));

  state.upstreams[0].endpoints.clear();
  for (int i = 0; i < 100; ++i) {
    state.upstreams[0].endpoints.push_back(endpoint("h:" + std::to_string(i), "healthy"));
  }
  const Page many = page_of({&meter}, state);
  CHECK(many.mentions(R"(endpoint_up{upstream="u",endpoint="h:63"})"));
  CHECK_FALSE(many.mentions(R"(endpoint_up{upstream="u",endpoint="h:64"})"));
}

TEST_CASE("timeouts and overflows without a route are one series over all listeners") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  for (const std::uint32_t listener : {0u, 1u}) {
    auto stalled = without_route(408, listener);
    stalled.timeout = exchange::TimeoutKind::Read;
    count(*observer, stalled);
  }
  auto state = live();
  for (auto& listener : state.listeners) {
    listener.timeouts = {{"read", 10}, {"keepalive", 1}};
    listener.overflows = {{"max_connections", 2}};
  }
  const Page page = page_of({&meter}, state);
  CHECK(page.has(R"(timeouts_total{route="",upstream="",kind="read"} 22)"));
  CHECK(page.has(R"(timeouts_total{route="",upstream="",kind="keepalive"} 2)"));
  CHECK(page.has(R"(overflow_total{upstream="",limit="max_connections"} 4)"));
}

TEST_CASE("no series stands there twice, no label is empty that should not be") {
  ExchangeMeter one;
  ExchangeMeter two;
  const auto first = one.observer_for(catalogue());
  const auto second = two.observer_for(catalogue());
  count_everything(*first);
  count_everything(*second);
  const Page page = page_of({&one, &two}, everything_live());
  CHECK(page.duplicates() == std::vector<std::string>{});
  for (const char* label : {"reason", "cause", "kind", "limit", "outcome", "side", "code"}) {
    CAPTURE(label);
    CHECK_FALSE(page.mentions(std::string(label) + "=\"\""));
  }
}

TEST_CASE("the process shows itself") {
  ExchangeMeter meter;
  const Page page = page_of({&meter});
  std::set<std::string> names;
  for (const std::string& line : page.lines()) names.insert(line.substr(0, line.find(' ')));
  for (const char* name : {"process_cpu_seconds_total", "process_virtual_memory_bytes",
                           "process_resident_memory_bytes", "process_open_fds", "process_max_fds",
                           "process_start_time_seconds", "outrigger_open_fds_limit"}) {
    CAPTURE(name);
    CHECK(names.contains(name));
  }
}

TEST_CASE("promtool finds nothing to say, before traffic and after") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  const int before = promtool(page_of({&meter}, live()).text());
  if (before == 127) {
    WARN("promtool is not installed: skipped");
    return;
  }
  CHECK(before == 0);
  count_everything(*observer);
  CHECK(promtool(page_of({&meter}, everything_live()).text()) == 0);
}

}  // namespace
}  // namespace outrigger::metrics
