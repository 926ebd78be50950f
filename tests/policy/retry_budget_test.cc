#include "proxy/policy/retry_budget.h"

#include <algorithm>
#include <vector>

#include "proxy/base/random.h"
#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;
using Settings = config::RetryBudget;

const TimePoint t0{1h};

int withdraw_all(RetryBudget& budget, TimePoint now, int most = 100000) {
  int granted = 0;
  while (granted < most && budget.withdraw(now)) ++granted;
  return granted;
}

void deposit(RetryBudget& budget, TimePoint now, int times) {
  for (int i = 0; i < times; ++i) budget.deposit(now);
}

// Every first try and every granted retry, one by one.
class Oracle {
 public:
  explicit Oracle(const Settings& settings) : settings_(settings) {}

  void first(TimePoint now) { firsts_.push_back(now); }
  void retry(TimePoint now) { retries_.push_back(now); }

  double floor() const { return settings_.min_per_second * seconds(settings_.window); }
  double paid(TimePoint after, TimePoint now) const {
    return settings_.percent / 100 * between(firsts_, after, now);
  }
  double retries(TimePoint after, TimePoint now) const { return between(retries_, after, now); }
  double retries() const { return static_cast<double>(retries_.size()); }
  double firsts() const { return static_cast<double>(firsts_.size()); }

  // Of the window that ends now, to the nanosecond.
  bool affords(TimePoint now) const {
    const auto begin = now - settings_.window;
    return retries(begin, now) + 1 <= paid(begin, now) + floor() + 1e-6;
  }
  bool kept(TimePoint now) const {
    const auto begin = now - settings_.window;
    return retries(begin, now) <= paid(begin, now) + floor() + 1e-6;
  }
  // All that begin between a seventh of a window and a whole one before now.
  bool kept_by_others(TimePoint now) const {
    for (auto begin = now - settings_.window; begin < now - settings_.window / 7;
         begin += settings_.window / 40) {
      const auto edge =
          TimePoint{begin.time_since_epoch() / (settings_.window / 40) * (settings_.window / 40)};
      const auto before = edge - 1ns;  // windows are open at their beginning
      if (retries(before, now) > paid(before, now) + std::max(floor(), 1.0) + 1e-6) return false;
    }
    return true;
  }

 private:
  static double between(const std::vector<TimePoint>& times, TimePoint after, TimePoint until) {
    return static_cast<double>(std::ranges::upper_bound(times, until) -
                               std::ranges::upper_bound(times, after));
  }

  Settings settings_;
  std::vector<TimePoint> firsts_, retries_;
};

// Traffic whose pace and share of failures change every so often; every failure asks for retries.
struct Weather {
  explicit Weather(std::uint64_t seed) : random(seed) {}

  void change() {
    static constexpr Duration kPaces[] = {1ms, 3ms, 20ms, 100ms, 700ms};
    pace = kPaces[random.below(5)];
    failures = random.below(3) == 0 ? 100 : random.below(30);
    until += Duration(random.below(8'000)) * 1'000'000;
  }
  Duration step() {
    return Duration(static_cast<Duration::rep>(random.unit() * 2 * 1e6)) * (pace / 1ms);
  }

  Random random;
  Duration pace{};
  std::uint32_t failures = 0;
  TimePoint until = t0;
};

}  // namespace

TEST_CASE("without traffic the floor alone is granted: min_per_second × window") {
  RetryBudget budget{Settings{}};
  CHECK(budget.remaining(t0) == Approx(5));
  CHECK(withdraw_all(budget, t0) == 5);
  CHECK(budget.remaining(t0) == Approx(0));
  CHECK_FALSE(budget.withdraw(t0 + 9999ms));
  CHECK(withdraw_all(budget, t0 + 11s) == 5);
}

TEST_CASE("first tries pay for percent of their number") {
  RetryBudget budget{Settings{}};
  deposit(budget, t0, 100);
  CHECK(budget.remaining(t0) == Approx(25));
  CHECK(withdraw_all(budget, t0) == 25);
  deposit(budget, t0, 4);
  CHECK(budget.remaining(t0) == Approx(0.8));
  CHECK_FALSE(budget.withdraw(t0));
  deposit(budget, t0, 1);
  CHECK(budget.withdraw(t0));
  CHECK_FALSE(budget.withdraw(t0));
}

TEST_CASE("fractions of percent and floor add up") {
  RetryBudget budget{Settings{.percent = 12.5, .min_per_second = 0.05, .window = 10s}};
  deposit(budget, t0, 3);
  CHECK_FALSE(budget.withdraw(t0));  // 0.375 + 0.5
  deposit(budget, t0, 1);
  CHECK(withdraw_all(budget, t0) == 1);
}

TEST_CASE("29 percent of 100 is 29") {
  RetryBudget budget{Settings{.percent = 29, .min_per_second = 0, .window = 10s}};
  deposit(budget, t0, 100);
  CHECK(withdraw_all(budget, t0) == 29);
}

TEST_CASE("a budget of nothing grants nothing, one of 100 percent a retry for each") {
  RetryBudget none{Settings{.percent = 0, .min_per_second = 0, .window = 10s}};
  deposit(none, t0, 1000);
  CHECK_FALSE(none.withdraw(t0));

  RetryBudget all{Settings{.percent = 100, .min_per_second = 0, .window = 10s}};
  CHECK_FALSE(all.withdraw(t0));
  for (int i = 0; i < 100; ++i) {
    all.deposit(t0 + i * 1ms);
    CHECK(all.withdraw(t0 + i * 1ms));
    CHECK_FALSE(all.withdraw(t0 + i * 1ms));
  }
}

TEST_CASE("a lone first try pays for its retry seconds later, even without a floor") {
  RetryBudget budget{Settings{.percent = 100, .min_per_second = 0, .window = 10s}};
  budget.deposit(t0);
  CHECK_FALSE(budget.withdraw(t0 + 11s));  // no longer
  budget.deposit(t0 + 20s);
  CHECK(budget.withdraw(t0 + 29s));
}

TEST_CASE("many that time out together are retried, as far as the last second pays") {
  RetryBudget budget{Settings{}};
  for (int i = 0; i < 1000; ++i) budget.deposit(t0 + i * 10ms);
  const auto now = t0 + 9990ms;
  CHECK(withdraw_all(budget, now, 25) == 25);
}

TEST_CASE("an outage does not spend at once what good traffic has saved") {
  RetryBudget budget{Settings{}};
  for (int i = 0; i < 1000; ++i) budget.deposit(t0 + i * 10ms);
  const auto began = t0 + 10s;
  int firsts = 0, retries = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto now = began + i * 10ms;
    budget.deposit(now);
    ++firsts;
    retries += withdraw_all(budget, now, 2);  // max_retries: 2
    CAPTURE(i);
    if (now >= began + 1250ms) REQUIRE(retries <= 0.2 * firsts + 5);
  }
  CHECK(retries >= 0.19 * firsts);
}

TEST_CASE("random traffic never gets more than the window pays, and not much less") {
  const Settings settings = GENERATE(Settings{}, Settings{.percent = 50, .min_per_second = 0},
                                     Settings{.percent = 0, .min_per_second = 3},
                                     Settings{.percent = 20, .min_per_second = 0.5, .window = 1s});
  const auto seed = GENERATE(1u, 2u, 3u, 4u, 5u);
  CAPTURE(seed, settings.percent, seconds(settings.window));
  Weather weather(seed);
  RetryBudget budget(settings);
  Oracle oracle(settings), greedy(settings);
  auto now = t0;
  for (int i = 0; i < 20000; ++i) {
    if (now >= weather.until) weather.change();
    now += weather.step();
    budget.deposit(now);
    oracle.first(now);
    greedy.first(now);
    if (weather.random.below(100) >= weather.failures) continue;
    for (int tries = 0; tries < 2; ++tries) {
      const bool granted = budget.withdraw(now);
      if (granted) oracle.retry(now);
      if (granted) REQUIRE(oracle.kept(now));
      if (granted) REQUIRE(oracle.kept_by_others(now));
      if (greedy.affords(now)) greedy.retry(now);
    }
  }
  CHECK(oracle.retries() > 0);
  CHECK(oracle.retries() <= greedy.retries() * 1.02 + 5);
  CHECK(oracle.retries() >= greedy.retries() * 0.8);
}

TEST_CASE("steady overload is granted nearly all that the window pays") {
  const Settings settings;
  RetryBudget budget(settings);
  Oracle greedy(settings);
  int retries = 0;
  for (int i = 0; i < 20000; ++i) {
    const auto now = t0 + i * 10ms;
    budget.deposit(now);
    greedy.first(now);
    retries += withdraw_all(budget, now, 2);
    for (int tries = 0; tries < 2; ++tries) {
      if (greedy.affords(now)) greedy.retry(now);
    }
  }
  CHECK(retries <= greedy.retries());
  CHECK(retries >= greedy.retries() * 0.95);
}

TEST_CASE("a reload applies at once to what the window holds") {
  RetryBudget budget{Settings{}};
  deposit(budget, t0, 100);
  CHECK(withdraw_all(budget, t0, 10) == 10);
  budget.configure({.percent = 50, .min_per_second = 0.5, .window = 10s});
  CHECK(budget.remaining(t0) == Approx(45));
  budget.configure({.percent = 5, .min_per_second = 0, .window = 10s});
  CHECK(budget.remaining(t0) == 0);
  budget.configure({.percent = 20, .min_per_second = 0, .window = 20s});
  CHECK(budget.remaining(t0) == Approx(10));
  CHECK(budget.remaining(t0 + 12s) == Approx(1));  // one in a stretch without first tries
  budget.configure({.percent = 20, .min_per_second = 5, .window = 1s});
  CHECK(budget.remaining(t0 + 1s) <= 15);
  CHECK(budget.remaining(t0 + 3s) == Approx(5));
}

TEST_CASE("a budget allocates nothing at work") {
  RetryBudget budget{Settings{}};
  const auto before = test::allocations();
  for (int i = 0; i < 1000; ++i) {
    budget.deposit(t0 + i * 33ms);
    budget.withdraw(t0 + i * 33ms);
  }
  CHECK(test::allocations() == before);
}

TEST_CASE("what was not begun is paid back, and never more than was taken") {
  RetryBudget budget{{.percent = 0, .min_per_second = 0.1, .window = 10s}};
  REQUIRE(budget.withdraw(t0));
  REQUIRE_FALSE(budget.withdraw(t0));
  budget.refund(t0);
  budget.refund(t0);
  CHECK(budget.withdraw(t0));
  CHECK_FALSE(budget.withdraw(t0));
}

}  // namespace outrigger::policy
