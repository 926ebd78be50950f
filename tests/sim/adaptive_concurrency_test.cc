// The adaptive limit of the real ClusterState before an upstream that works on so many requests at
// once and lets the rest queue, on virtual time.

#include <deque>

#include "config/model.h"
#include "proxy/base/random.h"
#include "proxy/simulation/virtual_time.h"
#include "proxy/upstream/cluster_state.h"
#include "tests/support/catch.h"

namespace outrigger::simulation {
namespace {

using namespace std::chrono_literals;
using upstream::ClusterState;

// `callers` that ask again as soon as they are answered, or 5 ms after a refusal.
class Bench {
 public:
  Bench(const config::AdaptiveConcurrency& adaptive, std::uint32_t capacity, std::uint32_t callers)
      : capacity_(capacity), cluster_(settings(adaptive), 7) {
    const upstream::WantedEndpoint endpoint{"10.0.0.1:80", "10.0.0.1:80", 1};
    cluster_.set_endpoints({&endpoint, 1}, time_.now());
    for (std::uint32_t i = 0; i < callers; ++i) {
      auto& caller = callers_.emplace_back();
      caller.bench = this;
      caller.scheduler = &time_;
      time_.after(std::chrono::microseconds(random_.below(20000)), [&] { ask(caller); });
    }
  }

  void run(Duration time) {
    const TimePoint end = time_.now() + time;
    sum_ = {};
    answered_ = 0;
    while (time_.step(end)) continue;
  }
  void set_capacity(std::uint32_t capacity) { capacity_ = capacity; }

  double limit() { return cluster_.live(time_.now()).adaptive.limit; }
  Duration mean_latency() const { return sum_ / std::max(answered_, 1); }
  int answered() const { return answered_; }

 private:
  struct Caller : upstream::Waiter {
    Bench* bench = nullptr;
    TimePoint began{};
    void run() override {
      done = false;
      bench->begin(*this);
    }
  };

  static config::Upstream settings(const config::AdaptiveConcurrency& adaptive) {
    config::Upstream upstream{.name = "u"};
    upstream.adaptive_concurrency = adaptive;
    return upstream;
  }

  void ask(Caller& caller) {
    switch (cluster_.admit(caller, true, time_.now())) {
      case ClusterState::Admission::Granted:
        return begin(caller);
      case ClusterState::Admission::Queued:
        return;
      case ClusterState::Admission::Refused:
        time_.after(5ms, [&] { ask(caller); });
    }
  }
  void begin(Caller& caller) {
    caller.began = time_.now();
    backlog_.push_back(&caller);
    work();
  }
  // 16 to 24 ms each, `capacity` at a time.
  void work() {
    while (busy_ < capacity_ && !backlog_.empty()) {
      Caller& caller = *backlog_.front();
      backlog_.pop_front();
      ++busy_;
      time_.after(16ms + std::chrono::microseconds(random_.below(8000)), [&] {
        --busy_;
        answer(caller);
        work();
      });
    }
  }
  void answer(Caller& caller) {
    const Duration took = time_.now() - caller.began;
    sum_ += took;
    ++answered_;
    cluster_.settle(caller.ticket, {.status = 200}, took, time_.now());
    cluster_.finish(caller.ticket, took, false, time_.now());
    ask(caller);
  }

  VirtualTime time_;
  Random random_{11};
  std::uint32_t capacity_;
  std::uint32_t busy_ = 0;
  std::deque<Caller> callers_;
  ClusterState cluster_;
  std::deque<Caller*> backlog_;
  Duration sum_{};
  int answered_ = 0;
};

TEST_CASE("an upstream's capacity is found, and its latency stays near the floor") {
  // Where growth and shrinking meet: L = tolerance × C + what the allowance of 4 adds.
  Bench bench({.initial = 20, .tolerance = 1.1}, 60, 200);
  bench.run(30s);
  CHECK(bench.limit() > 60 * 0.75);
  CHECK(bench.limit() < 60 * 1.25);
  bench.run(30s);
  CHECK(bench.mean_latency() < 20ms * 1.3);
  // And the upstream is busy: 60 at a time of 20 ms each are 3,000 a second.
  CHECK(bench.answered() > 30 * 3000 * 0.95);

  // Half of it goes: so does half of the limit.
  bench.set_capacity(30);
  bench.run(30s);
  CHECK(bench.limit() > 30 * 0.75);
  CHECK(bench.limit() < 30 * 1.5);
}

TEST_CASE("with the default tolerance it may be half as much again") {
  Bench bench({.initial = 20}, 60, 300);
  bench.run(30s);
  CHECK(bench.limit() > 60);
  CHECK(bench.limit() < 60 * 1.75);
  bench.run(10s);
  CHECK(bench.mean_latency() < 20ms * 1.8);
}

TEST_CASE("without a limit the same callers wait five times as long") {
  Bench bench({.initial = 1000, .mode = config::PolicyMode::Observe}, 60, 300);
  bench.run(10s);
  CHECK(bench.mean_latency() > 20ms * 4);
}

}  // namespace
}  // namespace outrigger::simulation
