#include "proxy/metrics/exchange_meter.h"

#include <atomic>
#include <thread>

#include "tests/metrics/scripted.h"
#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::metrics {
namespace {

using namespace std::chrono_literals;
using namespace test;
using exchange::AbortSide;
using exchange::FailureKind;
using exchange::TimeoutKind;
using policy::RetryReason;
using policy::TryOutcome;

constexpr policy::TryEnd kFine{.outcome = TryOutcome::Response, .status = 200};
constexpr policy::TryEnd k503{.outcome = TryOutcome::Response, .status = 503};
constexpr policy::TryEnd kRefused{.outcome = TryOutcome::ConnectRefused};

TEST_CASE("requests are counted by their code, beside a zero of 200") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  count(*observer, record(404));
  count(*observer, record(404));
  count(*observer, record(503));
  const Page page = page_of({&meter});
  CHECK(page.has(R"(requests_total{listener="main",route="a",upstream="u",code="404"} 2)"));
  CHECK(page.has(R"(requests_total{listener="main",route="a",upstream="u",code="503"} 1)"));
  CHECK(page.has(R"(requests_total{listener="main",route="a",upstream="u",code="200"} 0)"));
  CHECK(page.has(R"(requests_total{listener="main",route="b",upstream="v",code="200"} 0)"));
  CHECK(page.has(R"(requests_total{listener="second",route="fixed",upstream="",code="200"} 0)"));
}

TEST_CASE("what matched no route has empty labels, from its first request on") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  CHECK_FALSE(page_of({&meter}).mentions(R"(route="")"));
  count(*observer, without_route(404, 1));
  const Page page = page_of({&meter});
  CHECK(page.has(R"(requests_total{listener="second",route="",upstream="",code="404"} 1)"));
  CHECK_FALSE(page.mentions(R"(listener="main",route="")"));
}

TEST_CASE("requests are in flight from their beginning to their end") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  observer->on_exchange_begun(0, 0);
  observer->on_exchange_begun(0, 0);
  observer->on_exchange_begun(0, 1);
  CHECK(page_of({&meter}).has(R"(requests_in_flight{listener="main",route="a"} 2)"));
  observer->on_exchange(record(200));
  const Page page = page_of({&meter});
  CHECK(page.has(R"(requests_in_flight{listener="main",route="a"} 1)"));
  CHECK(page.has(R"(requests_in_flight{listener="main",route="b"} 1)"));
}

TEST_CASE("overhead is what remains of the duration without the upstream's time") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  auto slow = record(200);
  slow.duration = 2s;
  slow.upstream_time = 1500ms;
  count(*observer, slow);
  const Page page = page_of({&meter});
  const std::string route = R"({listener="main",route="a",upstream="u")";
  CHECK(page.has("request_duration_seconds_sum" + route + "} 2"));
  CHECK(page.has("request_duration_seconds_bucket" + route + R"(,le="1"} 0)"));
  CHECK(page.has("request_duration_seconds_bucket" + route + R"(,le="2.5"} 1)"));
  CHECK(page.has("proxy_overhead_seconds_sum" + route + "} 0.5"));
  CHECK(page.has("proxy_overhead_seconds_bucket" + route + R"(,le="0.25"} 0)"));
  CHECK(page.has("proxy_overhead_seconds_bucket" + route + R"(,le="0.5"} 1)"));
}

TEST_CASE("an upgraded exchange is counted but stays out of all histograms") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  auto tunnel = record(101);
  tunnel.upgraded = true;
  tunnel.duration = 1h;
  add_try(tunnel, TryKind::First, {.outcome = TryOutcome::Response, .status = 101}, 3s);
  count(*observer, tunnel);
  const Page page = page_of({&meter});
  const std::string route = R"({listener="main",route="a",upstream="u")";
  CHECK(page.has("requests_total" + route + R"(,code="101"} 1)"));
  CHECK(page.has(R"(upstream_attempts_total{upstream="u",try="first",outcome="success"} 1)"));
  CHECK(page.has("request_duration_seconds_count" + route + "} 0"));
  CHECK(page.has("proxy_overhead_seconds_count" + route + "} 0"));
  CHECK(page.has(R"(upstream_attempt_duration_seconds_count{upstream="u"} 0)"));
}

TEST_CASE("tries are counted by kind and outcome, retries by their reason") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  auto retried = record(200);
  add_try(retried, TryKind::First, kRefused, 2ms);
  add_try(retried, TryKind::Retry, k503, 20ms);
  add_try(retried, TryKind::Retry, kFine, 200ms);
  retried.retry_reasons[1] = RetryReason::ConnectFailure;
  retried.retry_reasons[2] = RetryReason::GatewayError;
  count(*observer, retried);
  const Page page = page_of({&meter});
  const std::string tries = R"(upstream_attempts_total{upstream="u",)";
  CHECK(page.has(tries + R"(try="first",outcome="connect-failure"} 1)"));
  CHECK(page.has(tries + R"(try="retry",outcome="5xx"} 1)"));
  CHECK(page.has(tries + R"(try="retry",outcome="success"} 1)"));
  CHECK(page.has(tries + R"(try="first",outcome="success"} 0)"));
  CHECK(page.has(R"(upstream_attempts_total{upstream="v",try="first",outcome="success"} 0)"));
  CHECK(page.has(R"(retries_total{route="a",upstream="u",reason="connect-failure"} 1)"));
  CHECK(page.has(R"(retries_total{route="a",upstream="u",reason="gateway-error"} 1)"));
  const std::string times = R"({upstream="u",)";
  CHECK(page.has("upstream_attempt_duration_seconds_bucket" + times + R"(le="0.0025"} 1)"));
  CHECK(page.has("upstream_attempt_duration_seconds_bucket" + times + R"(le="0.025"} 2)"));
  CHECK(page.has("upstream_attempt_duration_seconds_bucket" + times + R"(le="+Inf"} 3)"));
}

TEST_CASE("a try that was cut off is cancelled and has no duration") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  auto left = record(499);
  add_try(left, TryKind::First, {}).ended = false;
  count(*observer, left);
  const Page page = page_of({&meter});
  CHECK(page.has(R"(upstream_attempts_total{upstream="u",try="first",outcome="cancelled"} 1)"));
  CHECK(page.has(R"(upstream_attempt_duration_seconds_count{upstream="u"} 0)"));
}

TEST_CASE("a try that never reached an endpoint is none") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  auto waited = record(503);
  auto& waiting = add_try(waited, TryKind::First, {});
  waiting.reached_endpoint = waiting.ended = false;
  count(*observer, waited);
  const Page page = page_of({&meter});
  CHECK(page.has(R"(upstream_attempts_total{upstream="u",try="first",outcome="cancelled"} 0)"));
}

TEST_CASE("reasons, causes and kinds appear at their first event") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  count(*observer, record(200));
  const Page before = page_of({&meter});
  for (const char* name :
       {"local_replies_total", "retries_total", "retries_denied_total", "timeouts_total"}) {
    CAPTURE(name);
    CHECK_FALSE(before.mentions(name));
  }
  auto denied = record(504);
  denied.failure = FailureKind::Timeout;
  denied.local_reply = true;
  denied.timeout = TimeoutKind::Request;
  denied.per_try_timeouts = 2;
  denied.connect_timeouts = 3;
  denied.retry_denied = policy::Denial::Budget;
  count(*observer, denied);
  const Page page = page_of({&meter});
  CHECK(page.has(R"(local_replies_total{listener="main",route="a",reason="timeout"} 1)"));
  CHECK(page.has(R"(retries_denied_total{route="a",upstream="u",cause="budget"} 1)"));
  const std::string timeouts = R"(timeouts_total{route="a",upstream="u",)";
  CHECK(page.has(timeouts + R"(kind="request"} 1)"));
  CHECK(page.has(timeouts + R"(kind="per-try"} 2)"));
  CHECK(page.has(timeouts + R"(kind="connect"} 3)"));
}

TEST_CASE("where there may be hedges their outcomes are there from the start") {
  ExchangeMeter meter;
  Catalogue hedging = catalogue();
  const auto before = meter.observer_for(hedging);
  CHECK_FALSE(page_of({&meter}).mentions("hedges_total{"));
  hedging.routes[0].hedges = true;
  const auto observer = meter.observer_for(hedging);
  const Page page = page_of({&meter});
  CHECK(page.has(R"(hedges_total{route="a",upstream="u",outcome="won"} 0)"));
  CHECK(page.has(R"(hedges_total{route="a",upstream="u",outcome="lost"} 0)"));
  CHECK_FALSE(page.mentions(R"(hedges_total{route="b")"));
}

TEST_CASE("failures on purpose are counted by kind, a delayed abort twice") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  count(*observer, record(200));
  CHECK_FALSE(page_of({&meter}).mentions("faults_injected_total"));
  auto injected = record(503);
  injected.failure = FailureKind::FaultInjected;
  injected.local_reply = true;
  injected.fault_delayed = true;
  injected.fault_abort = exchange::FaultAbort::Status;
  count(*observer, injected);
  injected.fault_abort = exchange::FaultAbort::Reset;
  count(*observer, injected);
  const Page page = page_of({&meter});
  CHECK(page.has(R"(faults_injected_total{route="a",kind="delay"} 2)"));
  CHECK(page.has(R"(faults_injected_total{route="a",kind="abort"} 1)"));
  CHECK(page.has(R"(faults_injected_total{route="a",kind="reset"} 1)"));
}

TEST_CASE("failures of one reason are one series") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  for (const auto kind : {FailureKind::ConnectRefused, FailureKind::ConnectTimeout}) {
    auto failed = record(502);
    failed.failure = kind;
    failed.local_reply = true;
    count(*observer, failed);
  }
  CHECK(page_of({&meter}).has(
      R"(local_replies_total{listener="main",route="a",reason="connect-failure"} 2)"));
}

TEST_CASE("a failure that was passed on is no local reply") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  auto broken = record(200);
  broken.failure = FailureKind::Reset;
  broken.aborted = AbortSide::Upstream;
  count(*observer, broken);
  const Page page = page_of({&meter});
  CHECK_FALSE(page.mentions("local_replies_total"));
  CHECK(page.has(R"(responses_aborted_total{listener="main",route="a",side="upstream"} 1)"));
  CHECK(page.has(R"(responses_aborted_total{listener="main",route="a",side="downstream"} 0)"));
}

TEST_CASE("a limit that was hit is counted where it stands") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  auto full = record(503, 1, 1);
  full.limit = exchange::LimitKind::MaxPending;
  count(*observer, full);
  const Page page = page_of({&meter});
  CHECK(page.has(R"(overflow_total{upstream="v",limit="max_pending"} 1)"));
  CHECK(page.has(R"(overflow_total{upstream="u",limit="max_pending"} 0)"));
}

TEST_CASE("workers are summed") {
  ExchangeMeter one;
  ExchangeMeter two;
  const auto first = one.observer_for(catalogue());
  const auto second = two.observer_for(catalogue());
  count(*first, record(200));
  count(*second, record(200));
  count(*second, record(500));
  first->on_exchange_begun(0, 0);
  second->on_exchange_begun(0, 0);
  const Page page = page_of({&one, &two});
  const std::string route = R"({listener="main",route="a",upstream="u")";
  CHECK(page.has("requests_total" + route + R"(,code="200"} 2)"));
  CHECK(page.has("requests_total" + route + R"(,code="500"} 1)"));
  CHECK(page.has("request_duration_seconds_count" + route + "} 3"));
  CHECK(page.has(R"(requests_in_flight{listener="main",route="a"} 2)"));
}

TEST_CASE("over a reload, what stays keeps its counters and what is gone is not shown") {
  ExchangeMeter meter;
  const auto before = meter.observer_for(catalogue());
  count(*before, record(200, 0, 0));
  count(*before, record(200, 1, 1));
  before->on_exchange_begun(0, 0);

  // Route a stays, at another index; b and v are gone.
  const auto after = meter.observer_for({.listeners = {"main"},
                                         .routes = {{"main", "new", "u"}, {"main", "a", "u"}},
                                         .upstreams = {"u"}});
  const Page page = page_of({&meter});
  const std::string a = R"(requests_total{listener="main",route="a",upstream="u",code="200"})";
  CHECK(page.has(a + " 1"));
  CHECK(page.has(R"(requests_in_flight{listener="main",route="a"} 1)"));
  CHECK(page.has(R"(requests_total{listener="main",route="new",upstream="u",code="200"} 0)"));
  CHECK_FALSE(page.mentions(R"(route="b")"));
  CHECK_FALSE(page.mentions(R"(upstream="v")"));
  CHECK_FALSE(page.mentions(R"(listener="second")"));

  // Index 1 is b for the old observer, and its end must not be counted for the new one's a.
  count(*before, record(200, 1, 1));
  CHECK(page_of({&meter}).has(a + " 1"));
  before->on_exchange(record(200, 0, 0));
  count(*after, record(200, 1, 0));
  const Page last = page_of({&meter});
  CHECK(last.has(a + " 3"));
  CHECK(last.has(R"(requests_in_flight{listener="main",route="a"} 0)"));
}

TEST_CASE("a route that moves to another upstream begins anew") {
  ExchangeMeter meter;
  const auto before = meter.observer_for(catalogue());
  count(*before, record(200));
  auto moved = catalogue();
  moved.routes[0].upstream = "v";
  const auto after = meter.observer_for(moved);
  const Page page = page_of({&meter});
  CHECK(page.has(R"(requests_total{listener="main",route="a",upstream="v",code="200"} 0)"));
  CHECK_FALSE(page.mentions(R"(route="a",upstream="u")"));
}

TEST_CASE("an observer may outlive its meter") {
  auto meter = std::make_unique<ExchangeMeter>();
  const auto observer = meter->observer_for(catalogue());
  meter.reset();
  count(*observer, record(200));
}

TEST_CASE("counting allocates nothing once a code's hundred was seen") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  auto busy = record(200);
  add_try(busy, TryKind::First, k503, 5ms);
  add_try(busy, TryKind::Retry, kFine, 5ms);
  busy.timeout = TimeoutKind::Request;
  busy.per_try_timeouts = 1;
  busy.local_reply = true;
  busy.failure = FailureKind::Timeout;
  count(*observer, busy);
  const auto before = outrigger::test::allocations();
  for (int i = 0; i < 100; ++i) {
    busy.status = 200 + i;
    count(*observer, busy);
  }
  CHECK(outrigger::test::allocations() == before);
}

// Routes of a split, and mirrors.

Catalogue with_split() {
  Catalogue made = catalogue();
  made.routes[0].split = {0, 1};
  return made;
}

TEST_CASE("a split's requests are counted at the upstream they went to") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(with_split());
  count(*observer, record(200, 0, 0));
  count(*observer, record(200, 0, 1));
  count(*observer, record(503, 0, 1));
  const Page page = page_of({&meter});
  CHECK(page.has(R"(requests_total{listener="main",route="a",upstream="u",code="200"} 1)"));
  CHECK(page.has(R"(requests_total{listener="main",route="a",upstream="v",code="200"} 1)"));
  CHECK(page.has(R"(requests_total{listener="main",route="a",upstream="v",code="503"} 1)"));
}

TEST_CASE("what has no label upstream is one series of a split") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(with_split());
  for (const std::uint32_t upstream : {0, 1}) {
    auto refused = record(503, 0, upstream);
    refused.local_reply = true;
    refused.failure = FailureKind::Overflow;
    refused.aborted = AbortSide::Upstream;
    count(*observer, refused);
  }
  observer->on_exchange_begun(0, 0);
  const Page page = page_of({&meter});
  CHECK(page.has(R"(requests_in_flight{listener="main",route="a"} 1)"));
  CHECK(page.has(R"(local_replies_total{listener="main",route="a",reason="overflow"} 2)"));
  CHECK(page.has(R"(responses_aborted_total{listener="main",route="a",side="upstream"} 2)"));
}

TEST_CASE("a split that loses an upstream loses its series") {
  ExchangeMeter meter;
  count(*meter.observer_for(with_split()), record(200, 0, 1));
  CHECK(page_of({&meter}).mentions(R"(route="a",upstream="v")"));
  meter.observer_for(catalogue());
  CHECK_FALSE(page_of({&meter}).mentions(R"(route="a",upstream="v")"));
}

TEST_CASE("a mirror's try counts at its upstream, and its drops at the route") {
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue());
  exchange::MirrorRecord sent{.route = 0, .upstream = 1};
  sent.attempt = {.reached_endpoint = true, .ended = true, .end = k503, .took = 5ms};
  observer->on_mirror(sent);
  observer->on_mirror({.route = 0, .upstream = 1, .dropped = exchange::MirrorDrop::BodyTooLarge});
  observer->on_mirror({.route = 0,
                       .upstream = 1,
                       .dropped = exchange::MirrorDrop::Refused,
                       .limit = exchange::LimitKind::MaxRequests});
  observer->on_mirror({.route = 0, .upstream = 1});  // its request did not become whole
  const Page page = page_of({&meter});
  CHECK(page.has(R"(upstream_attempts_total{upstream="v",try="first",outcome="5xx"} 1)"));
  CHECK(page.has(R"(upstream_attempt_duration_seconds_count{upstream="v"} 1)"));
  CHECK(page.has(R"(overflow_total{upstream="v",limit="max_requests"} 1)"));
  CHECK(page.has(R"(mirrors_dropped_total{route="a",cause="body-too-large"} 1)"));
  CHECK(page.has(R"(mirrors_dropped_total{route="a",cause="refused"} 1)"));
  CHECK(page.has(R"(requests_total{listener="main",route="a",upstream="u",code="200"} 0)"));
}

// The sanitizer sees no copy of a single character, which the library makes.
Catalogue catalogue_of_long_names() {
  const std::string name = "an-upstream-of-a-long-name";
  return {.listeners = {"main"}, .routes = {{"main", "a", name}}, .upstreams = {name}};
}

// Its assertion is the thread sanitizer's; without it, that nothing is lost.
TEST_CASE("a worker counts while pages are made and configurations come into force") {
  constexpr int kPages = 100;
  ExchangeMeter meter;
  const auto observer = meter.observer_for(catalogue_of_long_names());
  std::atomic<bool> over = false;
  std::uint64_t counted = 0;
  std::thread worker([&] {
    for (; !over; ++counted) {
      auto one = record(100 + static_cast<int>(counted % 500));
      add_try(one, TryKind::First, kFine, 1ms);
      count(*observer, one);
    }
  });
  std::thread reloader([&] {
    while (!over) meter.observer_for(catalogue_of_long_names());
  });
  for (int i = 0; i < kPages; ++i) CHECK(page_of({&meter}).mentions("outrigger_requests_total"));
  over = true;
  worker.join();
  reloader.join();
  const auto total = std::to_string(counted);
  CHECK(page_of({&meter}).has(R"(request_duration_seconds_count{listener="main",route="a",)"
                              R"(upstream="an-upstream-of-a-long-name"} )" +
                              total));
}

}  // namespace
}  // namespace outrigger::metrics
