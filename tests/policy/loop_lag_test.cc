#include "proxy/policy/loop_lag.h"

#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;

// A loop whose probes all come `late`; its lag after `time`.
Duration lag_after(Duration time, Duration late, LoopLag& lag, TimePoint& now) {
  const TimePoint end = now + time;
  while (now < end) {
    lag.expect(now + LoopLag::kEvery, now);
    now += LoopLag::kEvery + late;
    lag.arrived(now);
  }
  return lag.at(now);
}

struct Loop {
  LoopLag lag;
  TimePoint now{1h};
  Loop() { lag.configure(100ms); }
  Duration after(Duration time, Duration late) { return lag_after(time, late, lag, now); }
};

}  // namespace

TEST_CASE("a loop that is on time has no lag, its clock's grain aside") {
  Loop loop;
  CHECK(loop.after(10s, 900us) == 0ns);
}

TEST_CASE("a standing lag is believed: twice the bound is over the bound after 350 ms") {
  Loop loop;
  // 200 ms × (1 − e^(−0.25 s / 0.5 s)) = 79 ms, × (1 − e^(−1)) = 126 ms: two probes.
  CHECK(loop.after(250ms, 200ms) < 100ms);
  CHECK(loop.after(250ms, 200ms) > 100ms);
  CHECK(loop.after(10s, 200ms) > 195ms);
}

TEST_CASE("one hiccup is not") {
  Loop loop;
  loop.after(5s, 0ms);
  CHECK(loop.after(1ms, 150ms) < 60ms);  // 150 ms × (1 − e^(−0.2 s / 0.5 s)) = 49 ms
  CHECK(loop.after(2s, 0ms) < 1ms);
}

TEST_CASE("a stall of any length is forgotten within 0.7 s") {
  for (const Duration stall : {Duration(2s), Duration(1h)}) {
    Loop loop;
    CHECK(loop.after(1ms, stall) <= 400ms);
    CHECK(loop.after(1ms, 0ms) > 300ms);
    CHECK(loop.after(700ms, 0ms) < 100ms);
  }
}

TEST_CASE("an overdue probe counts before it comes, and no longer than until then") {
  Loop loop;
  loop.lag.expect(loop.now + 50ms, loop.now);
  CHECK(loop.lag.at(loop.now + 51ms) == 0ns);
  // 950 ms late, counted as 400; × (1 − e^(−1 s / 0.5 s)) = 346 ms.
  const Duration overdue = loop.lag.at(loop.now + 1s);
  CHECK(overdue > 345ms);
  CHECK(overdue < 347ms);
  loop.lag.arrived(loop.now + 1s);
  CHECK(loop.lag.at(loop.now + 1s) == overdue);
  CHECK(loop.lag.at(loop.now + 1h) == overdue);  // nothing is expected
  loop.lag.forget();
  CHECK(loop.lag.at(loop.now + 1h) == 0ns);
}

TEST_CASE("without a bound the lag is still measured") {
  Loop loop;
  loop.lag.configure(std::nullopt);
  CHECK(loop.after(1ms, 5s) > 4s);
}

}  // namespace outrigger::policy
