#include "proxy/policy/health_check.h"

#include <algorithm>
#include <vector>

#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint t0{1000s};
constexpr CheckEnd kGood{.outcome = CheckOutcome::Success, .status = 200};
constexpr CheckEnd kBad{.outcome = CheckOutcome::Status, .status = 503};

config::HealthCheck steady() {
  config::HealthCheck settings;
  settings.jitter_percent = 0;
  return settings;
}

// One endpoint's checks on a clock that is moved from one check to the next.
struct Patient {
  explicit Patient(const config::HealthCheck& with = steady(), bool healthy = true)
      : settings(with), check(with, healthy, t0, random) {}

  // The next check, which takes no time. Whether the endpoint's health changed.
  bool is(const CheckEnd& end) {
    while (true) {
      now = std::max(now, check.due());
      if (check.begin(traffic, now, random)) break;
    }
    checks.push_back(now);
    return check.record(end, now, random);
  }
  bool healthy() const { return check.health().healthy; }
  Duration since_last(std::size_t i) const { return checks[i] - checks[i - 1]; }

  config::HealthCheck settings;
  Random random{1};
  HealthCheck check;
  TimePoint now = t0;
  bool traffic = true;
  std::vector<TimePoint> checks;
};

TEST_CASE("a check that could not be made says nothing and comes again after an interval") {
  Patient patient;
  for (int i = 0; i < 2; ++i) patient.is(kBad);
  const TimePoint due = patient.check.due();
  REQUIRE(patient.check.begin(true, due, patient.random));
  patient.check.put_off(due, patient.random);
  CHECK(patient.check.health().consecutive == 2);
  CHECK(patient.check.due() == due + patient.settings.interval);
  CHECK(patient.is(kBad));  // the third
}

TEST_CASE("an endpoint is unhealthy after unhealthy_threshold failures in a row") {
  Patient patient;
  CHECK(patient.healthy());
  CHECK_FALSE(patient.is(kBad));
  CHECK_FALSE(patient.is(kBad));
  CHECK_FALSE(patient.is(kGood));  // begins anew
  CHECK_FALSE(patient.is(kBad));
  CHECK_FALSE(patient.is(kBad));
  CHECK(patient.healthy());
  CHECK(patient.is(kBad));
  CHECK_FALSE(patient.healthy());
  CHECK_FALSE(patient.is(kBad));  // said once
  CHECK(patient.check.health().consecutive == 4);
}

TEST_CASE("an endpoint that was healthy is so again after healthy_threshold successes in a row") {
  Patient patient;
  for (int i = 0; i < 3; ++i) patient.is(kBad);
  REQUIRE_FALSE(patient.healthy());
  CHECK_FALSE(patient.is(kGood));
  CHECK_FALSE(patient.is(kBad));
  CHECK_FALSE(patient.is(kGood));
  CHECK_FALSE(patient.healthy());
  CHECK(patient.is(kGood));
  CHECK(patient.healthy());
  CHECK_FALSE(patient.is(kGood));
}

TEST_CASE("every kind of failure counts alike") {
  const auto outcome =
      GENERATE(CheckOutcome::ConnectFailure, CheckOutcome::Timeout, CheckOutcome::Closed,
               CheckOutcome::BadResponse, CheckOutcome::Status);
  Patient patient;
  for (int i = 0; i < 2; ++i) CHECK_FALSE(patient.is({.outcome = outcome}));
  CHECK(patient.is({.outcome = outcome}));
  CHECK_FALSE(patient.healthy());
}

TEST_CASE("an endpoint that is initially unhealthy is in service at its first success") {
  Patient patient(steady(), false);
  CHECK_FALSE(patient.healthy());
  CHECK_FALSE(patient.is(kBad));
  CHECK_FALSE(patient.healthy());
  CHECK(patient.is(kGood));
  CHECK(patient.healthy());
  // From then on the thresholds count.
  for (int i = 0; i < 3; ++i) patient.is(kBad);
  CHECK_FALSE(patient.healthy());
  CHECK_FALSE(patient.is(kGood));
  CHECK_FALSE(patient.healthy());
}

TEST_CASE("thresholds of one act at once") {
  auto settings = steady();
  settings.healthy_threshold = settings.unhealthy_threshold = 1;
  Patient patient(settings);
  CHECK(patient.is(kBad));
  CHECK(patient.is(kGood));
  CHECK(patient.healthy());
}

TEST_CASE("the first check comes at once, within one jitter of the interval") {
  auto settings = steady();
  Random random{7};
  CHECK(HealthCheck(settings, true, t0, random).due() == t0);
  settings.jitter_percent = 10;
  auto earliest = kNever, latest = t0;
  for (int i = 0; i < 1000; ++i) {
    const auto due = HealthCheck(settings, true, t0, random).due();
    earliest = std::min(earliest, due);
    latest = std::max(latest, due);
  }
  CHECK(earliest >= t0);
  CHECK(latest < t0 + 1s);
  CHECK(latest - earliest > 900ms);
}

TEST_CASE("checks come each interval, give or take the jitter") {
  auto settings = steady();
  settings.jitter_percent = 20;
  Patient patient(settings);
  auto shortest = Duration::max(), longest = Duration::zero();
  for (int i = 0; i < 1000; ++i) {
    patient.is(kGood);
    if (i == 0) continue;
    shortest = std::min(shortest, patient.since_last(patient.checks.size() - 1));
    longest = std::max(longest, patient.since_last(patient.checks.size() - 1));
  }
  CHECK(shortest >= 8s);
  CHECK(shortest < 8100ms);
  CHECK(longest <= 12s);
  CHECK(longest > 11900ms);
}

TEST_CASE("the interval counts from the beginning of a check, which are never two at once") {
  Patient patient;
  REQUIRE(patient.check.begin(true, t0, patient.random));
  CHECK(patient.check.due() == kNever);
  patient.check.record(kGood, t0 + 2s, patient.random);
  CHECK(patient.check.due() == t0 + 10s);
  REQUIRE(patient.check.begin(true, t0 + 10s, patient.random));
  patient.check.record(kGood, t0 + 25s, patient.random);  // took longer than the interval
  CHECK(patient.check.due() == t0 + 25s);
}

TEST_CASE("without traffic a healthy endpoint is checked each no_traffic_interval") {
  Patient patient;
  patient.traffic = false;
  for (int i = 0; i < 4; ++i) patient.is(kGood);
  CHECK(patient.since_last(1) == 10s);  // healthy_threshold successes come first
  CHECK(patient.since_last(2) == 60s);
  CHECK(patient.since_last(3) == 60s);
}

TEST_CASE("traffic that begins is noticed within an interval") {
  Patient patient;
  patient.traffic = false;
  patient.is(kGood);
  patient.is(kGood);
  auto& check = patient.check;
  const auto last = patient.checks.back();
  CHECK_FALSE(check.begin(false, last + 10s, patient.random));
  CHECK(check.due() == last + 20s);
  CHECK(check.begin(true, last + 20s, patient.random));
}

TEST_CASE("doubt and illness are looked after at the interval, traffic or not") {
  Patient patient;
  patient.traffic = false;
  for (const auto& end : {kGood, kGood, kBad, kBad, kBad, kBad, kGood, kGood, kGood}) {
    patient.is(end);
  }
  CHECK(patient.since_last(2) == 60s);
  for (std::size_t i = 3; i <= 7; ++i) CHECK(patient.since_last(i) == 10s);
  CHECK(patient.since_last(8) == 60s);  // two successes in a row: known to be well
}

TEST_CASE("a no_traffic_interval below the interval is kept to as well") {
  auto settings = steady();
  settings.no_traffic_interval = 3s;
  Patient patient(settings);
  patient.traffic = false;
  for (int i = 0; i < 4; ++i) patient.is(kGood);
  CHECK(patient.since_last(3) == 3s);
  patient.traffic = true;
  patient.is(kGood);
  patient.is(kGood);
  CHECK(patient.since_last(5) == 10s);
}

TEST_CASE("new settings leave what is known and move the next check") {
  Patient patient;
  for (int i = 0; i < 3; ++i) patient.is(kBad);
  REQUIRE_FALSE(patient.healthy());
  auto settings = steady();
  settings.interval = 4s;
  settings.healthy_threshold = 3;
  SECTION("from the last check's beginning") {
    patient.check.configure(settings, patient.now + 1s, patient.random);
    CHECK_FALSE(patient.healthy());
    CHECK(patient.check.health().consecutive == 3);
    CHECK(patient.check.due() == patient.now + 4s);
    CHECK_FALSE(patient.is(kGood));
    CHECK_FALSE(patient.is(kGood));
    CHECK(patient.is(kGood));
  }
  SECTION("but not into the past") {
    patient.check.configure(settings, patient.now + 9s, patient.random);
    CHECK(patient.check.due() == patient.now + 9s);
  }
  SECTION("a check under way was given up and is made anew") {
    REQUIRE(patient.check.begin(true, patient.now + 10s, patient.random));
    patient.check.configure(settings, patient.now + 11s, patient.random);
    CHECK(patient.check.due() == patient.now + 11s);
    CHECK(patient.check.begin(true, patient.now + 11s, patient.random));
  }
}

TEST_CASE("what a check came to has a word for metrics and one for people") {
  struct Row {
    CheckEnd end;
    std::string_view result;
    std::string_view reason;
  };
  const auto row =
      GENERATE(Row{{CheckOutcome::Success, 204}, "success", "status 204"},
               Row{{CheckOutcome::Success}, "success", "connected"},
               Row{{CheckOutcome::ConnectFailure}, "failure", "cannot connect"},
               Row{{CheckOutcome::Timeout}, "timeout", "no answer in time"},
               Row{{CheckOutcome::Closed}, "failure", "closed without an answer"},
               Row{{CheckOutcome::BadResponse}, "failure", "an answer that is not HTTP"},
               Row{{CheckOutcome::Status, 503}, "failure", "status 503"});
  CHECK(label(result_of(row.end)) == row.result);
  CHECK(reason(row.end) == row.reason);
}

}  // namespace
}  // namespace outrigger::policy
