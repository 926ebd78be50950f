#include "proxy/exchange/route_state.h"

#include "proxy/simulation/virtual_time.h"
#include "tests/support/catch.h"

namespace outrigger::exchange {
namespace {

using namespace std::chrono_literals;
using Admission = RouteState::Admission;

constexpr TimePoint t0{1h};

struct Request final : RouteState::Waiter {
  explicit Request(Scheduler& time) { scheduler = &time; }
  void run() override {}
};

config::Route route(std::optional<config::AdaptiveConcurrency> adaptive) {
  return {.name = "r", .adaptive_concurrency = adaptive};
}

constexpr config::AdaptiveConcurrency kOne{.min = 1, .max = 1, .initial = 1, .queue = 1};

TEST_CASE("whoever waits when adaptive_concurrency goes or grows keeps no newcomer out") {
  simulation::VirtualTime time;
  for (const auto& after : {std::optional<config::AdaptiveConcurrency>(),
                            std::optional<config::AdaptiveConcurrency>(
                                {.min = 10, .max = 10, .initial = 10, .queue = 0})}) {
    RouteState state(route(kOne), 1);
    Request first(time), waiting(time), refused(time), newcomer(time);
    REQUIRE(state.admit(first, t0) == Admission::Granted);
    REQUIRE(state.admit(waiting, t0) == Admission::Queued);
    REQUIRE(state.admit(refused, t0) == Admission::Refused);
    state.configure(route(after));
    CHECK(state.admit(newcomer, t0) == Admission::Granted);
    CHECK(waiting.permit.place);
    for (Request* each : {&first, &waiting, &newcomer}) state.release(each->permit, t0);
    CHECK(state.live(t0).requests_in_flight == 0);
  }
}

TEST_CASE("whoever waits is served after a reload, also where nobody comes or ends") {
  simulation::VirtualTime time;
  RouteState state(route(kOne), 1);
  Request first(time), waiting(time);
  REQUIRE(state.admit(first, t0) == Admission::Granted);
  REQUIRE(state.admit(waiting, t0) == Admission::Queued);
  state.serve_line(t0);
  CHECK_FALSE(waiting.permit.place);
  state.configure(route({}));
  state.serve_line(t0);
  CHECK(waiting.permit.place);
}

}  // namespace
}  // namespace outrigger::exchange
