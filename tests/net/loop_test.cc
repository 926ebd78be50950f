#include "proxy/net/loop.h"

#include <atomic>
#include <thread>
#include <vector>

#include "tests/net/sockets.h"
#include "tests/support/catch.h"

namespace outrigger::net {
namespace {

using namespace std::chrono_literals;

struct Task final : Deferred {
  explicit Task(std::function<void()> what) : what_(std::move(what)) {}
  void run_deferred() override { what_(); }
  std::function<void()> what_;
};

struct Ring final : TimerEvents {
  void on_timer(Timer& timer) override {
    ++count;
    if (then) then(timer);
  }
  int count = 0;
  std::function<void(Timer&)> then;
};

TEST_CASE(
    "a deferred task runs once, after the callback that deferred it and before the next poll") {
  Loop loop;
  std::string story;
  Task second{[&] { story += "second "; }};
  Task first{[&] {
    story += "first ";
    loop.defer(second);
  }};
  loop.post([&] {
    loop.defer(first);
    loop.defer(first);
    CHECK(first.pending());
    story += "callback ";
  });
  loop.run_once(true);
  CHECK(story == "callback first second ");
  CHECK_FALSE(first.pending());
}

TEST_CASE("a deferred task that is destroyed does not run, also by another task of its batch") {
  Loop loop;
  int ran = 0;
  auto victim = std::make_unique<Task>([&] { ++ran; });
  Task killer{[&] { victim.reset(); }};
  loop.defer(killer);
  loop.defer(*victim);
  loop.run_once(false);
  CHECK(ran == 0);
}

TEST_CASE("a task that defers itself for ever neither stops the loop nor lets it sleep") {
  Loop loop;
  int ran = 0;
  Task again{[&] {
    if (++ran == 1000) return loop.stop();
    loop.defer(again);
  }};
  loop.defer(again);
  bool posted = false;
  loop.post([&] { posted = true; });
  Ring ring;
  ring.then = [&](Timer&) { loop.stop(); };
  Timer guard{loop, ring};
  guard.arm(loop.now() + 2s);
  loop.run();
  CHECK(posted);
  CHECK(ran == 1000);
}

TEST_CASE("one turn does not wait when a deferred task has run") {
  Loop loop;
  Ring ring;
  Timer guard{loop, ring};
  guard.arm(loop.now() + 2s);
  int ran = 0;
  Task task{[&] { ++ran; }};
  for (int turn = 0; turn < 20; ++turn) {
    loop.defer(task);
    loop.run_once(true);
  }
  CHECK(ran == 20);
  CHECK(ring.count == 0);
}

TEST_CASE("a retired object dies after the callback in which it retired itself") {
  struct Object final : Retirable {
    explicit Object(bool& gone) : gone_(gone) {}
    ~Object() override { gone_ = true; }
    bool& gone_;
  };
  Loop loop;
  bool gone = false;
  loop.post([&] {
    loop.retire(std::make_unique<Object>(gone));
    CHECK_FALSE(gone);
  });
  loop.run_once(true);
  CHECK(gone);
}

TEST_CASE("run ends at stop, and what other threads post runs on the loop's thread, in order") {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  Loop loop;
  std::vector<int> seen(kThreads, 0);
  bool in_order = true;
  int total = 0;
  const auto home = std::this_thread::get_id();
  std::vector<std::thread> threads;
  for (int who = 0; who < kThreads; ++who) {
    threads.emplace_back([&, who] {
      for (int number = 0; number < kEach; ++number) {
        loop.post([&, who, number] {
          in_order = in_order && seen[static_cast<std::size_t>(who)]++ == number &&
                     std::this_thread::get_id() == home;
          if (++total == kThreads * kEach) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (auto& thread : threads) thread.join();
  CHECK(total == kThreads * kEach);
  CHECK(in_order);
}

TEST_CASE("two loops on two threads hand a value back and forth") {
  Loop here;
  Loop there;
  std::thread thread{[&] { there.run(); }};
  int value = 0;
  std::function<void()> forth;
  const std::function<void()> back = [&] {
    if (++value == 1000) {
      there.stop();
      here.post([&] { here.stop(); });
    } else {
      here.post(forth);
    }
  };
  forth = [&] { there.post(back); };
  here.post(forth);
  here.run();
  thread.join();
  CHECK(value == 1000);
}

TEST_CASE("the clock stands still during a turn and moves between two") {
  Loop loop;
  TimePoint first;
  TimePoint same;
  loop.post([&] {
    first = loop.now();
    std::vector<int> work(100'000, 1);
    same = loop.now();
    CHECK(work.back() == 1);
    loop.refresh_time();
    CHECK(loop.now() > same);
  });
  loop.run_once(true);
  CHECK(first == same);
  CHECK(loop.now() > first);
}

TEST_CASE("timers fire in their order, never early and soon after") {
  Loop loop;
  std::vector<int> order;
  struct Entry {
    Ring ring;
    std::unique_ptr<Timer> timer;
    TimePoint due;
  };
  std::vector<Entry> entries(5);
  const Duration after[] = {61ms, 1ms, 40ms, 22ms, 330ms};
  bool early = false;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Entry& entry = entries[i];
    entry.due = loop.now() + after[i];
    entry.ring.then = [&, i](Timer&) {
      order.push_back(static_cast<int>(i));
      early = early || loop.now() < entries[i].due;
    };
    entry.timer = std::make_unique<Timer>(loop, entry.ring);
    entry.timer->arm(entry.due);
    CHECK(entry.timer->armed());
  }
  REQUIRE(run_until(loop, [&] { return order.size() == entries.size(); }));
  CHECK(order == std::vector<int>{1, 3, 2, 0, 4});
  CHECK_FALSE(early);
}

TEST_CASE("a loop that waits for a timer sleeps, and wakes a few times at most") {
  Loop loop;
  Ring ring;
  Timer timer{loop, ring};
  timer.arm(loop.now() + 700ms);
  int turns = 0;
  while (ring.count == 0) {
    loop.run_once(true);
    ++turns;
  }
  CHECK(turns <= 10);
}

TEST_CASE("an earlier timer moves the wake-up, a disarmed one does not fire") {
  Loop loop;
  Ring late_ring;
  Ring soon_ring;
  Ring never_ring;
  Timer late{loop, late_ring};
  Timer soon{loop, soon_ring};
  Timer never{loop, never_ring};
  late.arm(loop.now() + 1h);
  loop.run_once(false);
  soon.arm(loop.now() + 5ms);
  never.arm(loop.now() + 5ms);
  never.disarm();
  REQUIRE(run_until(loop, [&] { return soon_ring.count == 1; }));
  CHECK(never_ring.count == 0);
  CHECK(late_ring.count == 0);
}

TEST_CASE("a timer that re-arms itself in the past lets the loop poll in between") {
  Loop loop;
  Ring ring;
  ring.then = [&](Timer& timer) { timer.arm(loop.now() - 1s); };
  Timer timer{loop, ring};
  timer.arm(loop.now());
  int turns = 0;
  while (ring.count < 20) {
    loop.run_once(true);
    ++turns;
  }
  CHECK(ring.count <= 2 * turns);  // one turn of libuv's looks at its timers twice
}

TEST_CASE("a timer may be destroyed in its own callback, with another that is ready") {
  Loop loop;
  Ring ring;
  auto first = std::make_unique<Timer>(loop, ring);
  auto second = std::make_unique<Timer>(loop, ring);
  ring.then = [&](Timer&) {
    first.reset();
    second.reset();
  };
  first->arm(loop.now());
  second->arm(loop.now());
  REQUIRE(run_until(loop, [&] { return first == nullptr; }));
  CHECK(ring.count == 1);
}

TEST_CASE("what was made on a loop may outlive it") {
  Ring ring;
  Task task{[] { FAIL("ran after the end of its loop"); }};
  auto loop = std::make_unique<Loop>();
  Timer timer{*loop, ring};
  timer.arm(loop->now());
  Pair pair{*loop};
  Door door{*loop, "127.0.0.1:0"};
  Dial dial{*loop, door.address()};
  const std::string big(1 << 20, 'x');
  while (pair.near.stream->write(big)) continue;
  loop->defer(task);
  loop->post([] { FAIL("ran after the end of its loop"); });
  loop.reset();
  CHECK_FALSE(timer.armed());
  CHECK_FALSE(task.pending());
  CHECK(pair.near.stream->write("x"));
  CHECK(pair.near.error == 0);
  CHECK_FALSE(dial.over());
}

}  // namespace
}  // namespace outrigger::net
