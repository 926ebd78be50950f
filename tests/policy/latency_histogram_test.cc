#include "proxy/policy/latency_histogram.h"

#include <random>

#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;

const TimePoint t0{1h};

bool about(std::optional<Duration> found, Duration expected) {
  return found && std::abs(seconds(*found) / seconds(expected) - 1) <= 0.032;
}

}  // namespace

TEST_CASE("without samples there is no percentile") {
  CHECK_FALSE(LatencyCounts{}.quantile(0.5));
  CHECK_FALSE(LatencyHistogram(10s).quantile(0.5, t0));
  CHECK(LatencyHistogram(10s).count(t0) == 0);
}

TEST_CASE("any time from 16 microseconds to two minutes is known to 3 percent") {
  for (double ns = 17e3; ns < 130e9; ns *= 1.01) {
    LatencyCounts counts;
    const Duration time{static_cast<std::int64_t>(ns)};
    counts.add(time);
    CHECK(about(counts.quantile(0.5), time));
  }
}

TEST_CASE("times outside count as the nearest bound") {
  LatencyCounts counts;
  for (const Duration time : {Duration{-1}, Duration{0}, Duration{1}, Duration{16383}}) {
    counts.add(time);
    CHECK(counts.quantile(1) == Duration{16384});
  }
  counts.add(1h);
  CHECK(about(counts.quantile(1), 137439ms));
  CHECK(counts.count() == 5);
}

// By nearest rank: of 1, 2, … 100 ms the q-th is the ceil(100 q)-th.
TEST_CASE("percentiles are by nearest rank") {
  LatencyCounts counts;
  for (int i = 1; i <= 100; ++i) counts.add(i * 1ms);
  CHECK(about(counts.quantile(0), 1ms));
  CHECK(about(counts.quantile(0.5), 50ms));
  CHECK(about(counts.quantile(0.95), 95ms));
  CHECK(about(counts.quantile(0.99), 99ms));
  CHECK(about(counts.quantile(1), 100ms));
  CHECK(about(counts.quantile(7), 100ms));

  LatencyCounts few;  // of 20, the 95th percentile is the 19th
  for (int i = 0; i < 19; ++i) few.add(10ms);
  few.add(1s);
  CHECK(about(few.quantile(0.95), 10ms));
  few.add(1s);  // of 21, the 20th
  CHECK(about(few.quantile(0.95), 1s));
}

TEST_CASE("percentiles of a spread population are as those of the sorted samples") {
  std::mt19937 random(1);
  std::lognormal_distribution<double> milliseconds(3, 1);
  LatencyCounts counts;
  std::vector<Duration> all;
  for (int i = 0; i < 10000; ++i) {
    all.emplace_back(static_cast<std::int64_t>(milliseconds(random) * 1e6));
    counts.add(all.back());
  }
  std::sort(all.begin(), all.end());
  for (const double q : {0.5, 0.9, 0.95, 0.99}) {
    CHECK(about(counts.quantile(q), all[static_cast<std::size_t>(q * 10000) - 1]));
  }
}

TEST_CASE("tables add up") {
  LatencyCounts one, other;
  one.add(1ms);
  other.add(1s);
  one += other;
  CHECK(one.count() == 2);
  CHECK(about(one.quantile(0.5), 1ms));
  CHECK(about(one.quantile(1), 1s));
}

TEST_CASE("a histogram forgets what is older than its window") {
  LatencyHistogram recent(10s);
  recent.record(1s, t0);
  recent.record(10ms, t0 + 5s);
  CHECK(recent.count(t0 + 5s) == 2);
  CHECK(about(recent.quantile(1, t0 + 7999ms), 1s));
  CHECK(about(recent.quantile(1, t0 + 10s), 10ms));
  CHECK(recent.count(t0 + 10s) == 1);
  CHECK_FALSE(recent.quantile(1, t0 + 15s));

  recent.record(2ms, t0 + 1h);
  CHECK(recent.count(t0 + 1h) == 1);
}

TEST_CASE("recording and reading allocate nothing") {
  LatencyHistogram recent(10s);
  const auto before = test::allocations();
  for (int i = 0; i < 1000; ++i) recent.record(i * 1ms, t0 + i * 100ms);
  CHECK(recent.quantile(0.95, t0 + 100s));
  CHECK(test::allocations() == before);
}

}  // namespace outrigger::policy
