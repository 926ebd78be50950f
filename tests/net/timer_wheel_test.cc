#include "proxy/net/timer_wheel.h"

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "proxy/base/random.h"
#include "tests/support/catch.h"

namespace outrigger::net {
namespace {

using namespace std::chrono_literals;
constexpr TimePoint t0{1000s};

int expire(TimerWheel& wheel, TimePoint now) {
  wheel.expire(now);
  int count = 0;
  while (wheel.take_ready() != nullptr) ++count;
  return count;
}

TEST_CASE("a timer becomes ready at its tick and not before") {
  TimerWheel wheel{t0};
  TimerNode node;
  const Duration after =
      GENERATE(1ns, 4ms, 5ms, 7ms, 319ms, 320ms, 321ms, 21s, 75s, 25min, 24h, 90 * 24h);
  wheel.arm(node, t0 + after);
  CHECK(node.armed());
  CHECK(node.due() == t0 + after);

  CHECK(expire(wheel, t0 + after - 1ns) == 0);
  CHECK(expire(wheel, t0 + after + TimerWheel::kTick) == 1);
  CHECK_FALSE(node.armed());
}

TEST_CASE("a timer on a tick is ready exactly then") {
  TimerWheel wheel{t0};
  TimerNode node;
  wheel.arm(node, t0 + 10ms);
  CHECK(expire(wheel, t0 + 10ms - 1ns) == 0);
  CHECK(expire(wheel, t0 + 10ms) == 1);
}

TEST_CASE("a timer in the past is ready at the next expire") {
  TimerWheel wheel{t0};
  TimerNode node;
  wheel.arm(node, t0 - 1h);
  CHECK(wheel.next_wake() <= t0);
  CHECK(expire(wheel, t0) == 1);
}

TEST_CASE("a timer armed in the past while others are taken waits for the next expire") {
  TimerWheel wheel{t0};
  TimerNode first;
  TimerNode second;
  wheel.arm(first, t0);
  wheel.expire(t0);
  REQUIRE(wheel.take_ready() == &first);
  wheel.arm(second, t0 - 1s);
  CHECK(wheel.take_ready() == nullptr);
  CHECK(expire(wheel, t0) == 1);
}

TEST_CASE("a disarmed timer does not become ready, nor does one that was ready already") {
  TimerWheel wheel{t0};
  TimerNode first;
  TimerNode second;
  wheel.arm(first, t0 + 1s);
  wheel.arm(second, t0 + 1s);
  wheel.disarm(first);
  CHECK_FALSE(first.armed());
  wheel.expire(t0 + 2s);
  wheel.disarm(second);
  CHECK(wheel.take_ready() == nullptr);
  CHECK(wheel.next_wake() == kNever);
}

TEST_CASE("a moved timer fires at its new time only") {
  TimerWheel wheel{t0};
  TimerNode node;
  wheel.arm(node, t0 + 1s);
  wheel.arm(node, t0 + 30s);
  CHECK(expire(wheel, t0 + 29s) == 0);
  CHECK(expire(wheel, t0 + 31s) == 1);
}

TEST_CASE("a timer that is moved on and on fires at its last time") {
  TimerWheel wheel{t0};
  TimerNode node;
  const Duration span = GENERATE(15ms, 2s, 15s, 10min);
  const Duration step = GENERATE(1ms, 5ms, 700ms);
  TimePoint now = t0;
  for (int i = 0; i < 2000; ++i, now += step) {
    wheel.arm(node, now + span);
    REQUIRE(wheel.next_wake() <= now + span);
    if (step < span) REQUIRE(expire(wheel, now) == 0);
  }
  const TimePoint last = now - step + span;
  CHECK(expire(wheel, last - 1ns) == 0);
  CHECK(node.armed());
  CHECK(expire(wheel, last + TimerWheel::kTick) == 1);
}

TEST_CASE("a timer that is disarmed and armed again, earlier or later, fires once") {
  TimerWheel wheel{t0};
  TimerNode node;
  const Duration after = GENERATE(10ms, 200ms, 400ms, 30s);
  wheel.arm(node, t0 + 300ms);
  wheel.disarm(node);
  CHECK_FALSE(node.armed());
  wheel.arm(node, t0 + after);
  CHECK(expire(wheel, t0 + after - 1ns) == 0);
  CHECK(expire(wheel, t0 + after + TimerWheel::kTick) == 1);
  CHECK(expire(wheel, t0 + 1h) == 0);
}

TEST_CASE("disarmed timers leave nothing to wake for once their time is over") {
  TimerWheel wheel{t0};
  TimerNode node;
  wheel.arm(node, t0 + 30s);
  wheel.disarm(node);
  CHECK(expire(wheel, wheel.next_wake()) == 0);
  CHECK(wheel.next_wake() == kNever);
}

TEST_CASE("the farthest point of time can be armed") {
  TimerWheel wheel{t0};
  TimerNode node;
  wheel.arm(node, kNever - 1ns);
  CHECK(expire(wheel, t0 + 1000h) == 0);
  CHECK(node.armed());
}

TEST_CASE("a wheel that goes first disarms its timers") {
  TimerNode node;
  {
    TimerWheel wheel{t0};
    wheel.arm(node, t0 + 1s);
  }
  CHECK_FALSE(node.armed());
}

TEST_CASE("the next wake-up is never after the first timer, and a lone timer needs few") {
  TimerWheel wheel{t0};
  TimerNode node;
  const TimePoint due = t0 + 75s + 3ms;
  wheel.arm(node, due);
  int wakes = 0;
  TimePoint now = t0;
  while (node.armed()) {
    REQUIRE(wheel.next_wake() > now);
    REQUIRE(wheel.next_wake() <= due + TimerWheel::kTick);
    now = wheel.next_wake();
    expire(wheel, now);
    ++wakes;
  }
  CHECK(now >= due);
  CHECK(wakes <= 4);
  CHECK(wheel.next_wake() == kNever);
}

TEST_CASE("a wheel agrees with a sorted list, whatever is armed, moved and disarmed") {
  const auto seed = GENERATE(1u, 2u, 3u, 4u);
  CAPTURE(seed);
  Random random{seed};
  TimePoint now = t0 + Duration{random.below(1'000'000'000)};
  TimerWheel wheel{now};
  std::vector<TimerNode> nodes(300);
  std::multimap<TimePoint, TimerNode*> model;
  const auto find = [&](TimerNode& node) {
    return std::find_if(model.begin(), model.end(),
                        [&](const auto& entry) { return entry.second == &node; });
  };
  const auto forget = [&](TimerNode& node) {
    if (const auto found = find(node); found != model.end()) model.erase(found);
  };
  const auto some_span = [&] {
    static constexpr Duration kSpans[] = {1us, 5ms, 100ms, 2s, 40s, 30min, 30h};
    const Duration span = kSpans[random.below(7)];
    return Duration{static_cast<Duration::rep>(random.unit() * static_cast<double>(span.count()))};
  };
  for (int step = 0; step < 20'000; ++step) {
    TimerNode& node = nodes[random.below(300)];
    const auto what = random.below(10);
    if (what < 5) {
      const TimePoint due = now + some_span() - (what == 0 ? 20ms : 0ms);
      wheel.arm(node, due);
      forget(node);
      model.emplace(due, &node);
    } else if (what < 7) {
      wheel.disarm(node);
      forget(node);
    } else {
      now += some_span();
      wheel.expire(now);
      TimePoint before{};
      while (TimerNode* ready = wheel.take_ready()) {
        const auto found = find(*ready);
        REQUIRE(found != model.end());
        REQUIRE(found->first <= now);
        REQUIRE(found->first > before - TimerWheel::kTick - 20ms);
        before = found->first;
        model.erase(found);
      }
      // Nothing is left that was due more than a tick ago.
      REQUIRE((model.empty() || model.begin()->first > now - TimerWheel::kTick));
    }
    REQUIRE((model.empty() ||
             wheel.next_wake() <= std::max(model.begin()->first + TimerWheel::kTick, now)));
    if (step % 100 == 0) {
      for (const auto& [due, armed] : model) REQUIRE(armed->armed());
    }
  }
  for (TimerNode& node : nodes) wheel.disarm(node);
  CHECK(expire(wheel, now + 48h) == 0);
  CHECK(wheel.next_wake() == kNever);
}

}  // namespace
}  // namespace outrigger::net
