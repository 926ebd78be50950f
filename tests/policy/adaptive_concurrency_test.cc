#include "proxy/policy/adaptive_concurrency.h"

#include "tests/policy/dies.h"
#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;
using Catch::Detail::Approx;

struct Limited {
  config::AdaptiveConcurrency settings;
  AdaptiveConcurrency adaptive;
  TimePoint now{1h};

  explicit Limited(config::AdaptiveConcurrency with = {}) : settings(with), adaptive(with) {}

  // One window in which `used` were out at once and answers took `rtt`; ends 100 ms later.
  void window(Duration rtt, std::uint32_t used) {
    for (std::uint32_t i = 0; i < used; ++i) adaptive.acquire();
    adaptive.sample(rtt, now);
    now += 100ms;
    for (std::uint32_t i = 1; i < AdaptiveConcurrency::kMinSamples; ++i) adaptive.sample(rtt, now);
    for (std::uint32_t i = 0; i < used; ++i) adaptive.release();
    CHECK(adaptive.snapshot().short_rtt == rtt);
  }
  void windows(int count, Duration rtt, std::uint32_t used) {
    for (int i = 0; i < count; ++i) window(rtt, used);
  }
};

}  // namespace

TEST_CASE("a used limit at which answers are no slower than usual grows by smoothing x 4") {
  Limited one({.initial = 20});
  one.window(10ms, 20);
  CHECK(one.adaptive.limit() == 20);  // 20 + 0.2 × 4 = 20.8
  one.window(10ms, 20);
  CHECK(one.adaptive.limit() == 21);  // 21.6
  one.windows(49, 10ms, 60);
  CHECK(one.adaptive.limit() == 60);  // 20 + 51 × 0.8 = 60.8
}

TEST_CASE("a limit of which less than half is used stays") {
  Limited one({.initial = 20});
  one.windows(10, 10ms, 9);
  CHECK(one.adaptive.limit() == 20);
  one.windows(10, 10ms, 11);
  CHECK(one.adaptive.limit() == 22);  // 20.8, 21.6, 22.4: of that 11 are less than half
}

TEST_CASE("slower answers within the tolerance change nothing, beyond it the limit shrinks") {
  Limited one({.initial = 100});
  one.windows(10, 10ms, 49);           // the usual is 10 ms
  one.window(15ms, 100);               // gradient 1.5 × 10.0017 / 15 = 1, cut to 1
  CHECK(one.adaptive.limit() == 100);  // 100.8
  // The usual follows with 1 − e^(−0.1 s / 300 s) = 0.000333 a window: it is 10.0083 ms after
  // this one of 30 ms. 1.5 × 10.0083 / 30 = 0.5004; 0.8 × 100.8 + 0.2 × (0.5004 × 100.8 + 4).
  one.window(30ms, 100);
  CHECK(one.adaptive.limit() == 91);  // 91.53
}

TEST_CASE("answers many times slower take no more than a tenth of the limit a window") {
  Limited one({.initial = 100});
  one.windows(10, 10ms, 49);
  one.window(10s, 100);
  CHECK(one.adaptive.limit() == 90);  // 0.8 × 100 + 0.2 × (50 + 4) = 90.8
  one.windows(200, 10s, 100);
  // It never dies of it: 0.5 × L = 4 is where growth and shrinking meet.
  CHECK(one.adaptive.limit() == 8);
}

TEST_CASE("the limit stays within min and max") {
  Limited low({.min = 30, .initial = 40});
  low.windows(10, 1ms, 10);
  low.windows(100, 1s, 40);
  CHECK(low.adaptive.limit() == 30);
  Limited high({.max = 25, .initial = 20});
  high.windows(100, 1ms, 25);
  CHECK(high.adaptive.limit() == 25);
}

TEST_CASE("the usual is the mean of ten windows, then follows slowly") {
  Limited one;
  one.windows(5, 10ms, 1);
  one.windows(5, 20ms, 1);
  CHECK(seconds(one.adaptive.snapshot().long_rtt) == Approx(0.015).epsilon(0.001));
  // In five minutes 1 − 1/e of the way: 15 + 0.632 × 5 = 18.16 ms.
  one.windows(3000, 20ms, 1);
  CHECK(seconds(one.adaptive.snapshot().long_rtt) == Approx(0.01816).epsilon(0.001));
}

TEST_CASE("a usual far above the present comes down quickly") {
  Limited one;
  one.windows(10, 100ms, 1);
  one.windows(14, 10ms, 1);
  // × 0.95 a window: half of it is gone after 14.
  CHECK(seconds(one.adaptive.snapshot().long_rtt) == Approx(0.0487).epsilon(0.01));
}

TEST_CASE("a window is ten samples and a tenth of a second at least") {
  Limited one({.initial = 20});
  for (int i = 0; i < 1000; ++i) one.adaptive.sample(1ms, one.now);
  CHECK(one.adaptive.snapshot().short_rtt == 0ns);
  one.adaptive.sample(1ms, one.now + 100ms);
  CHECK(one.adaptive.snapshot().short_rtt == Duration(1ms));
  for (int i = 0; i < 9; ++i) one.adaptive.sample(2ms, one.now + 1h);
  CHECK(one.adaptive.snapshot().short_rtt == Duration(1ms));
  one.adaptive.sample(2ms, one.now + 2h);
  CHECK(one.adaptive.snapshot().short_rtt == Duration(2ms));
}

TEST_CASE("exactly so many are let in as the limit says") {
  AdaptiveConcurrency adaptive(config::AdaptiveConcurrency{.initial = 3});
  for (int i = 0; i < 3; ++i) {
    CHECK(adaptive.has_room());
    adaptive.acquire();
  }
  CHECK_FALSE(adaptive.has_room());
  adaptive.release();
  CHECK(adaptive.has_room());
  CHECK(adaptive.snapshot().beyond == 0);
}

TEST_CASE("observe lets all through and counts what it would not have") {
  AdaptiveConcurrency adaptive(
      config::AdaptiveConcurrency{.initial = 3, .mode = config::PolicyMode::Observe});
  for (int i = 0; i < 5; ++i) {
    CHECK(adaptive.has_room());
    adaptive.acquire();
  }
  CHECK(adaptive.snapshot().beyond == 2);
  CHECK(adaptive.snapshot().observing);
}

TEST_CASE("off it only counts; switched on it begins with those who are out") {
  AdaptiveConcurrency adaptive(std::nullopt);
  for (int i = 0; i < 5; ++i) adaptive.acquire();
  CHECK(adaptive.has_room());
  adaptive.configure(config::AdaptiveConcurrency{.initial = 4});
  CHECK_FALSE(adaptive.has_room());
  adaptive.release();
  CHECK_FALSE(adaptive.has_room());
  adaptive.release();
  CHECK(adaptive.has_room());
  CHECK(dies([] { AdaptiveConcurrency(std::nullopt).release(); }));
}

TEST_CASE("a reload keeps the limit that was found, within the new bounds") {
  Limited one({.initial = 20});
  one.windows(51, 10ms, 60);
  CHECK(one.adaptive.limit() == 60);
  one.adaptive.configure(config::AdaptiveConcurrency{.initial = 20, .tolerance = 2});
  CHECK(one.adaptive.limit() == 60);
  one.adaptive.configure(config::AdaptiveConcurrency{.max = 30, .initial = 20});
  CHECK(one.adaptive.limit() == 30);
}

TEST_CASE("which tries say how busy the upstream is") {
  const auto response = [](int status) { return TryEnd{.status = status}; };
  for (const int status : {200, 204, 301, 404, 409}) CHECK(is_load_sample(response(status)));
  for (const int status : {101, 429, 500, 503}) CHECK_FALSE(is_load_sample(response(status)));
  CHECK(is_load_sample({.outcome = TryOutcome::PerTryTimeout}));
  CHECK(is_load_sample({.outcome = TryOutcome::RequestTimeout}));
  for (const auto outcome : {TryOutcome::ConnectRefused, TryOutcome::ConnectTimeout,
                             TryOutcome::Reset, TryOutcome::Abandoned, TryOutcome::BadResponse}) {
    CHECK_FALSE(is_load_sample({.outcome = outcome}));
  }
  CHECK_FALSE(is_load_sample({.status = 200, .endless = true}));
  CHECK_FALSE(is_load_sample({.status = 200, .refused_elsewhere = true}));
}

}  // namespace outrigger::policy
