#include "proxy/exchange/mirror.h"

#include "proxy/exchange/scope.h"
#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::exchange {
namespace {

using namespace std::chrono_literals;
using policy::TryOutcome;

const TimePoint t0{1000s};

struct FakeScheduler final : Scheduler {
  TimePoint at = t0;
  TaskList tasks;
  TimePoint read_clock() override { return at; }
  std::int64_t unix_seconds() override { return 0; }
  void soon(Task& task) override { tasks.add(task); }
};

struct FakeAttempt final : Attempt {
  AttemptEvents* events = nullptr;
  bool is_connected = true;
  bool in_use = false;
  bool ended = false;
  TryOutcome ended_as{};
  std::string sent;

  void send_body(std::string_view bytes) override { sent += bytes; }
  void send_end(const http::Headers*) override { ended = true; }
  bool flush() override { return true; }
  void pause_response() override {}
  void resume_response() override {}
  bool connected() const override { return is_connected; }
  bool any_sent() const override { return !sent.empty(); }
  std::uint32_t endpoint() const override { return 0; }
  std::string_view address() const override { return "10.0.0.1:80"; }
  void end(TryOutcome outcome) override { ended_as = outcome; }
  void release() override { in_use = false; }
};

struct FakeUpstream final : Upstream {
  FakeAttempt attempt;
  TryRequest asked;
  std::string target;
  Start answer = Start::Running;

  StartResult start(const TryRequest& request, AttemptEvents& events) override {
    asked = request;
    target = request.head->target;
    if (answer == Start::Refused) {
      return {.refusal = {.kind = FailureKind::Overflow, .limit = LimitKind::MaxRequests}};
    }
    attempt.events = &events;
    attempt.in_use = true;
    attempt.sent.clear();
    attempt.ended = false;
    return {.start = answer, .attempt = AttemptPtr(&attempt)};
  }
  bool other_endpoint_usable(std::span<const std::uint32_t>) override { return false; }
  bool breaker_refuses() override { return false; }
  std::optional<Duration> latency_percentile(std::uint32_t) override { return std::nullopt; }
  bool withdraw_retry() override { return false; }
  void refund_retry() override {}
};

struct Records final : Observer {
  std::vector<MirrorRecord>& list;
  explicit Records(std::vector<MirrorRecord>& to) : list(to) {}
  void on_exchange_begun(std::uint32_t, std::uint32_t) override {}
  void on_exchange(const ExchangeRecord&) override {}
  void on_mirror(const MirrorRecord& record) override { list.push_back(record); }
};

// A worker with one route that mirrors to `shadow`, and a request of which it has a copy made.
struct Bench {
  FakeScheduler scheduler;
  FakeUpstream shadow;
  Random random{1};
  std::vector<MirrorRecord> records;
  Scope scope;
  Route route;
  config::Route settings;
  Mirrors mirrors;
  std::string text = "/path?query";
  http::RequestHead head;
  TryRequest first;

  Bench() {
    auto config = std::make_shared<config::Config>();
    config->upstreams.emplace_back().name = "shadow";
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->config = config;
    scope.snapshot = snapshot;
    scope.upstreams = {&shadow};
    scope.observer = std::make_unique<Records>(records);
    scope.random = &random;
    scope.scheduler = &scheduler;
    records.reserve(1000);
    settings.timeouts.request = 3s;
    route.config = &settings;
    route.index = 7;
    route.mirror = 0;
    head.method = "POST";
    head.target = text;
    head.path = std::string_view(text).substr(0, 5);
    head.framing = http::Framing::Chunked;
    head.expect_continue = true;
    first = {.head = &head, .additions = {.request_id = "id", .client_ip = "ip"}};
  }
  Mirror* begin() { return mirrors.begin(scope, route, first); }
  void answer(int status) {
    auto& events = *shadow.attempt.events;
    http::ResponseHead response;
    response.status = status;
    events.on_try_head(response, {.outcome = TryOutcome::Response, .status = status});
    events.on_try_body("dropped");
    events.on_try_end(nullptr);
  }
};

TEST_CASE("a mirror is sent after the turn that made it, with a copy of everything") {
  Bench bench;
  Mirror* mirror = bench.begin();
  REQUIRE(mirror);
  CHECK(mirror->add("bo"));
  CHECK(mirror->add("dy"));
  mirror->send();
  CHECK_FALSE(bench.shadow.attempt.in_use);
  bench.text.assign(bench.text.size(), '#');  // the request is gone
  bench.scheduler.tasks.run_all();
  CHECK(bench.shadow.target == "/path?query");
  CHECK(bench.shadow.attempt.sent == "body");
  CHECK(bench.shadow.attempt.ended);
  CHECK(bench.shadow.asked.additions.request_id == "id");
  CHECK(bench.shadow.asked.additions.upstream == "shadow");
  CHECK(bench.shadow.asked.kind == TryKind::First);
  CHECK_FALSE(bench.shadow.asked.may_queue);
  CHECK_FALSE(bench.shadow.asked.head->expect_continue);
  CHECK(bench.shadow.asked.deadline == t0 + 3s);
  CHECK(bench.scope.users == 1);
  bench.scheduler.at += 20ms;
  bench.answer(200);
  CHECK(bench.scope.users == 0);
  CHECK(bench.mirrors.in_flight() == 0);
  CHECK_FALSE(bench.shadow.attempt.in_use);
  REQUIRE(bench.records.size() == 1);
  CHECK(bench.records[0].route == 7);
  CHECK(bench.records[0].attempt.took == 20ms);
  CHECK(attempt_outcome(bench.records[0].attempt) == AttemptOutcome::Success);
}

TEST_CASE("the body waits for a connection") {
  Bench bench;
  bench.shadow.attempt.is_connected = false;
  Mirror* mirror = bench.begin();
  mirror->add("body");
  mirror->send();
  bench.scheduler.tasks.run_all();
  CHECK(bench.shadow.attempt.sent.empty());
  bench.shadow.attempt.events->on_try_ready();
  CHECK(bench.shadow.attempt.sent == "body");
  bench.answer(200);
}

TEST_CASE("a failure of the mirror is its own and is not tried again") {
  Bench bench;
  bench.begin()->send();
  bench.scheduler.tasks.run_all();
  bench.shadow.attempt.events->on_try_failed({.outcome = TryOutcome::ConnectRefused});
  CHECK(bench.mirrors.in_flight() == 0);
  CHECK(attempt_outcome(bench.records.at(0).attempt) == AttemptOutcome::ConnectFailure);
}

TEST_CASE("a mirror that its upstream does not take at once is dropped") {
  for (const auto answer : {Start::Refused, Start::Queued}) {
    Bench bench;
    bench.shadow.answer = answer;
    bench.begin()->send();
    bench.scheduler.tasks.run_all();
    CHECK(bench.mirrors.in_flight() == 0);
    CHECK(bench.records.at(0).dropped == MirrorDrop::Refused);
    CHECK_FALSE(bench.records.at(0).attempt.reached_endpoint);
    const bool refused = answer == Start::Refused;
    CHECK((bench.records.at(0).limit == LimitKind::MaxRequests) == refused);
    CHECK(bench.scope.users == 0);
  }
}

TEST_CASE("a body of 64 KiB is mirrored, one byte more is not") {
  Bench bench;
  const std::string most(Mirror::kMaxBody, 'x');
  Mirror* mirror = bench.begin();
  CHECK(mirror->add(most));
  CHECK_FALSE(mirror->add("x"));
  CHECK(bench.records.at(0).dropped == MirrorDrop::BodyTooLarge);
  CHECK(bench.mirrors.in_flight() == 0);

  bench.head.content_length = Mirror::kMaxBody + 1;
  CHECK(bench.begin() == nullptr);
  CHECK(bench.records.at(1).dropped == MirrorDrop::BodyTooLarge);
}

TEST_CASE("what does not become whole is not sent and not counted as dropped") {
  Bench bench;
  Mirror* mirror = bench.begin();
  mirror->add("half");
  mirror->abandon();
  bench.scheduler.tasks.run_all();
  CHECK(bench.mirrors.in_flight() == 0);
  CHECK(bench.records.at(0).dropped == MirrorDrop::None);
  CHECK_FALSE(bench.records.at(0).attempt.reached_endpoint);
}

TEST_CASE("an answer that does not end is given up after the route's request timeout") {
  Bench bench;
  bench.begin()->send();
  bench.scheduler.tasks.run_all();
  bench.mirrors.expire(t0 + 2999ms);
  CHECK(bench.mirrors.in_flight() == 1);
  bench.mirrors.expire(t0 + 3s);
  CHECK(bench.mirrors.in_flight() == 0);
  CHECK(bench.shadow.attempt.ended_as == TryOutcome::RequestTimeout);
  CHECK(attempt_outcome(bench.records.at(0).attempt) == AttemptOutcome::Timeout);
}

TEST_CASE("there are only so many mirrors at once, and an end makes room") {
  Bench bench;
  std::vector<Mirror*> held;
  for (std::size_t i = 0; i < Mirrors::kMaxInFlight; ++i) held.push_back(bench.begin());
  CHECK(bench.begin() == nullptr);
  CHECK(bench.records.at(0).dropped == MirrorDrop::TooMany);
  held[5]->abandon();
  CHECK(bench.begin() == held[5]);
}

TEST_CASE("clearing takes back also what was about to be sent") {
  Bench bench;
  bench.begin()->send();
  bench.scheduler.tasks.run_all();
  bench.begin()->send();
  bench.begin();
  bench.mirrors.clear();
  CHECK(bench.shadow.attempt.ended_as == TryOutcome::Abandoned);
  CHECK(bench.scheduler.tasks.empty());
  CHECK(bench.mirrors.in_flight() == 0);
  CHECK(bench.scope.users == 0);
}

TEST_CASE("a mirror allocates nothing once there has been one") {
  Bench bench;
  const std::string body(8 * 1024, 'x');
  const auto once = [&] {
    Mirror* mirror = bench.begin();
    mirror->add(body);
    mirror->send();
    bench.scheduler.tasks.run_all();
    bench.answer(200);
  };
  bench.shadow.attempt.sent.reserve(body.size());
  once();
  const auto before = test::allocations();
  once();
  CHECK(test::allocations() == before);
}

}  // namespace
}  // namespace outrigger::exchange
