#include "proxy/policy/outlier_statistics.h"

#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;
using Statistics = std::vector<IntervalStatistics>;
using Slots = std::vector<std::uint32_t>;

// One endpoint for each rate, of 100 tries each.
Statistics with_rates(const std::vector<std::uint32_t>& rates) {
  Statistics all;
  for (const auto rate : rates) {
    all.push_back({.slot = static_cast<std::uint32_t>(all.size()),
                   .successes = rate,
                   .failures = 100 - rate});
  }
  return all;
}

Statistics with_p95(const std::vector<int>& milliseconds) {
  Statistics all;
  for (const int each : milliseconds) {
    all.push_back({.slot = static_cast<std::uint32_t>(all.size()), .timed = 50, .p95 = each * 1ms});
  }
  return all;
}

config::OutlierDetection success_rate(config::SuccessRateDetector detector = {}) {
  return {.success_rate = detector};
}
config::OutlierDetection failure_percentage(config::FailurePercentageDetector detector = {}) {
  return {.failure_percentage = detector};
}
config::OutlierDetection latency(config::LatencyDetector detector = {}) {
  return {.latency = detector};
}

Slots slots(const std::vector<SweepVerdict>& verdicts) {
  Slots found;
  for (const auto& each : verdicts) found.push_back(each.slot);
  return found;
}

// In percent, or milliseconds.
struct Row {
  std::vector<std::uint32_t> endpoints;
  Slots outliers;
};

}  // namespace

// Success rate. Others: their mean m, their standard deviation s (of the whole population); an
// outlier is more than 1.9 s and at least 10 points below m.
TEST_CASE("success rates are compared with those of the others") {
  const std::vector<Row> table = {
      // One and two are fewer than min_endpoints.
      {{0}, {}},
      {{0, 100}, {}},
      // Three. Others 100, 100: m = 100, s = 0: from 90 down.
      {{100, 100, 100}, {}},
      {{60, 100, 100}, {0}},
      {{100, 90, 100}, {1}},
      {{100, 91, 100}, {}},
      // Others of the 60: 90, 100 → m = 95, s = 5: from min(95 − 9.5, 95 − 10) = 85 down.
      {{60, 90, 100}, {0}},
      {{86, 90, 100}, {}},
      // Others of one 60: 60, 100 → m = 80, s = 20: below 80 − 38 = 42.
      {{60, 60, 100}, {}},
      // The others of the 41 are the same; those of the 60, 41 and 100, → m = 70.5.
      {{41, 60, 100}, {0}},
      {{42, 60, 100}, {}},
      // Five. Envoy's example, where a mean that the outlier is part of has 90 − 1.9 × 20 = 52.
      {{50, 100, 100, 100, 100}, {0}},
      {{90, 100, 100, 100, 100}, {0}},
      {{91, 100, 100, 100, 100}, {}},
      // Others of the first: 50, 3 × 100 → m = 87.5, s = 21.65: below 46.4.
      {{50, 50, 100, 100, 100}, {}},
      // Others of the 50: 60, 3 × 100 → m = 90, s = 17.32: below 57.1; of the 60: as above.
      {{50, 60, 100, 100, 100}, {0}},
      // Ten. Others of one 0: 0, 8 × 100 → m = 88.9, s = 31.4: below 29.2.
      {{0, 0, 100, 100, 100, 100, 100, 100, 100, 100}, {0, 1}},
      // 2 × 0, 7 × 100 → m = 77.8, s = 41.6: below −1.2.
      {{0, 0, 0, 100, 100, 100, 100, 100, 100, 100}, {}},
      {{100, 100, 100, 100, 100, 100, 100, 100, 100, 89}, {9}},
      // A fault that all share.
      {{40, 40, 40, 40, 40, 40, 40, 40, 40, 40}, {}},
      // Ordinary noise: others of the 84 have m = 93.9, s = 2.9; 10 points hold: from 83.9 down.
      {{84, 90, 95, 95, 90, 95, 98, 95, 92, 95}, {}},
      {{83, 90, 95, 95, 90, 95, 98, 95, 92, 95}, {0}},
  };
  for (const auto& [rates, outliers] : table) {
    CAPTURE(rates);
    CHECK(slots(sweep_verdicts(success_rate(), with_rates(rates))) == outliers);
  }
}

TEST_CASE("of two endpoints the worse is an outlier where two are enough") {
  const auto two = success_rate({.min_endpoints = 2});
  CHECK(slots(sweep_verdicts(two, with_rates({90, 100}))) == Slots{0});
  CHECK(slots(sweep_verdicts(two, with_rates({100, 0}))) == Slots{1});
  CHECK(slots(sweep_verdicts(two, with_rates({100, 100}))).empty());
  // A single one has no others, whatever is asked for.
  CHECK(slots(sweep_verdicts(success_rate({.min_endpoints = 1}), with_rates({0}))).empty());
}

TEST_CASE("endpoints of equal rates are never outliers, however close the bound") {
  const auto close = success_rate({.min_endpoints = 2, .stdev_factor = 0, .min_gap_percent = 0});
  for (std::uint32_t n = 2; n <= 10; ++n) {
    for (std::uint32_t rate = 0; rate <= 100; ++rate) {
      CHECK(sweep_verdicts(close, with_rates(std::vector<std::uint32_t>(n, rate))).empty());
    }
  }
}

TEST_CASE("the numbers behind a success rate's verdict are told") {
  const auto verdicts = sweep_verdicts(success_rate(), with_rates({41, 60, 100}));
  REQUIRE(verdicts.size() == 1);
  CHECK(verdicts[0].detector == Detector::SuccessRate);
  CHECK(verdicts[0].evidence.own == Approx(41));
  CHECK(verdicts[0].evidence.others == Approx(80));
  CHECK(verdicts[0].evidence.deviation == Approx(20));
  CHECK(verdicts[0].evidence.bound == Approx(42));
  CHECK(verdicts[0].evidence.tries == 100);
}

TEST_CASE("endpoints of too few tries, or out of service, are not compared") {
  auto all = with_rates({60, 100, 100});
  REQUIRE(slots(sweep_verdicts(success_rate(), all)) == Slots{0});
  for (auto& each : all) {
    const auto as_it_was = each;
    each.successes -= 1;  // 99 tries
    CHECK(sweep_verdicts(success_rate(), all).empty());
    each = as_it_was;
    each.in_service = false;
    CHECK(sweep_verdicts(success_rate(), all).empty());
    each = as_it_was;
  }
  CHECK(sweep_verdicts(success_rate(), {}).empty());
}

// Failure percentage: 85 % of at least 50 tries, whatever the others do.
TEST_CASE("a failure percentage stands for itself") {
  const std::vector<Row> table = {
      {{15}, {0}},
      {{16}, {}},
      {{100, 15}, {1}},
      {{15, 10}, {1, 0}},  // the worst first
      {{16, 100, 0}, {2}},
      {{100, 15, 16, 14, 100}, {3, 1}},
      {{100, 100, 100, 100, 100, 100, 100, 100, 100, 0}, {9}},
      {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
  };
  for (const auto& [rates, outliers] : table) {
    CAPTURE(rates);
    CHECK(slots(sweep_verdicts(failure_percentage(), with_rates(rates))) == outliers);
  }
  CHECK(sweep_verdicts(failure_percentage({.min_endpoints = 3}), with_rates({0, 0})).empty());
  CHECK(sweep_verdicts(failure_percentage({.min_requests = 101}), with_rates({0})).empty());

  const auto verdicts = sweep_verdicts(failure_percentage(), with_rates({100, 10}));
  REQUIRE(verdicts.size() == 1);
  CHECK(verdicts[0].detector == Detector::FailurePercentage);
  CHECK(verdicts[0].evidence.own == 90);
  CHECK(verdicts[0].evidence.bound == 85);
}

// Latency: above 3 × the median of the others' p95 (of an even number, the mean of the two in the
// middle) and above 50 ms.
TEST_CASE("latencies are compared with the median of the others") {
  const std::vector<Row> table = {
      // One and two are fewer than min_endpoints.
      {{1000}, {}},
      {{1000, 10}, {}},
      // Three. Others 100, 100: above 300.
      {{300, 100, 100}, {}},
      {{301, 100, 100}, {0}},
      // Others of the 400: 100, 200 → 150: above 450.
      {{450, 100, 200}, {}},
      {{451, 100, 200}, {0}},
      // Two slow of three: others of a slow one 100, 1000 → 550: above 1650.
      {{1000, 1000, 100}, {}},
      // Others 10, 10: above max(30, the floor of 50).
      {{50, 10, 10}, {}},
      {{51, 10, 10}, {0}},
      // Five, two slow: others of a slow one 100, 100, 100, 1000 → 100: above 300, and the slowest
      // first.
      {{100, 1000, 100, 2000, 100}, {3, 1}},
      // Three slow of five: others of a slow one 100, 100, 1000, 1000 → 550.
      {{1000, 1000, 1000, 100, 100}, {}},
      // Ten, four slow: others 6 × 100, 3 × 500 → 100.
      {{100, 500, 100, 500, 100, 500, 100, 500, 100, 100}, {7, 5, 3, 1}},
      // Five slow of ten: others of a slow one 5 × 100, 4 × 500 → 100. Of six: 4 × 100, 5 × 500.
      {{500, 500, 500, 500, 500, 100, 100, 100, 100, 100}, {4, 3, 2, 1, 0}},
      {{500, 500, 500, 500, 500, 500, 100, 100, 100, 100}, {}},
      // The whole upstream is slow.
      {{900, 900, 900, 900, 900, 900, 900, 900, 900, 900}, {}},
  };
  for (const auto& [times, outliers] : table) {
    CAPTURE(times);
    const std::vector<int> milliseconds(times.begin(), times.end());
    CHECK(slots(sweep_verdicts(latency(), with_p95(milliseconds))) == outliers);
  }
  CHECK(slots(sweep_verdicts(latency({.min_endpoints = 2}), with_p95({301, 100}))) == Slots{0});
  CHECK(sweep_verdicts(latency({.min_endpoints = 1}), with_p95({301})).empty());
  CHECK(sweep_verdicts(latency({.min_requests = 51}), with_p95({301, 100, 100})).empty());

  const auto verdicts = sweep_verdicts(latency(), with_p95({451, 100, 200}));
  REQUIRE(verdicts.size() == 1);
  CHECK(verdicts[0].detector == Detector::Latency);
  CHECK(verdicts[0].evidence.own == Approx(0.451));
  CHECK(verdicts[0].evidence.others == Approx(0.15));
  CHECK(verdicts[0].evidence.bound == Approx(0.45));
  CHECK(verdicts[0].evidence.tries == 50);
}

TEST_CASE("an endpoint has one verdict a sweep, by the first detector that finds it") {
  auto all = with_rates({0, 100, 100});
  for (auto& each : all) {
    each.timed = 100;
    each.p95 = each.slot == 2 ? 1s : 100ms;
  }
  const config::OutlierDetection every{.success_rate = config::SuccessRateDetector{},
                                       .failure_percentage = config::FailurePercentageDetector{},
                                       .latency = config::LatencyDetector{}};
  const auto verdicts = sweep_verdicts(every, all);
  REQUIRE(slots(verdicts) == Slots{0, 2});
  CHECK(verdicts[0].detector == Detector::SuccessRate);
  CHECK(verdicts[1].detector == Detector::Latency);
  CHECK(sweep_verdicts({}, all).empty());
}

}  // namespace outrigger::policy
