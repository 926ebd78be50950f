#include "proxy/policy/outlier_ejection.h"

#include <set>

#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;
using State = OutlierEjection::State;
using Settings = config::OutlierDetection;

const TimePoint t0{1h};
const TryEnd kRefused{.outcome = TryOutcome::ConnectRefused};

TryEnd status(int code) {
  return {.status = code};
}
TryEnd marked(int code) {
  return {.status = code, .refused_elsewhere = true};
}

OutlierEjection make_ejection(std::uint32_t endpoints, Settings settings = {}) {
  OutlierEjection ejection(settings);
  for (std::uint32_t slot = 0; slot < endpoints; ++slot) ejection.add(slot, t0);
  return ejection;
}

// Records the same end `times` times; what the last of them did.
OutlierEjection::Change record(OutlierEjection& ejection, std::uint32_t slot, const TryEnd& end,
                               int times = 1, TimePoint now = t0) {
  OutlierEjection::Change change;
  for (int i = 0; i < times; ++i) change = ejection.record(slot, end, now);
  return change;
}

std::vector<std::uint32_t> advance(OutlierEjection& ejection, TimePoint now) {
  std::vector<std::uint32_t> changed;
  ejection.advance(now, [&](std::uint32_t slot) { changed.push_back(slot); });
  return changed;
}

// The first place on probation that is due.
std::optional<std::uint32_t> free_place(const OutlierEjection& ejection, TimePoint now = t0 + 1h) {
  const auto places = ejection.free_places();
  return places.empty() || places[0].due > now ? std::nullopt : std::optional{places[0].slot};
}

// What the sweep did to each endpoint that it found to be an outlier, in its order.
using Swept = std::vector<std::pair<std::uint32_t, OutlierEjection::Change>>;
Swept sweep(OutlierEjection& ejection, const Settings& settings, TimePoint now) {
  std::vector<IntervalStatistics> compared;
  std::set<std::uint32_t> passing;
  for (std::uint32_t slot = 0; slot < 16; ++slot) {
    if (const auto counts = ejection.close_interval(slot)) {
      compared.push_back(statistics_of(slot, *counts));
      if (counts->faultless) passing.insert(slot);
    }
  }
  Swept swept;
  for (const auto& verdict : sweep_verdicts(settings, compared)) {
    swept.emplace_back(verdict.slot, ejection.carry_out(verdict, now));
    passing.erase(verdict.slot);
  }
  for (const auto slot : passing) ejection.pass(slot);
  return swept;
}
void sweep(OutlierEjection& ejection, TimePoint now) {
  sweep(ejection, {}, now);
}

// The endpoint's only request while on probation came to this.
OutlierEjection::Change probe(OutlierEjection& ejection, std::uint32_t slot, const TryEnd& end,
                              TimePoint now) {
  REQUIRE(ejection.take_probation(slot));
  return ejection.record(slot, end, now);
}

}  // namespace

// Detectors.

TEST_CASE("five local failures in a row eject an endpoint for the base time") {
  auto ejection = make_ejection(3);
  CHECK_FALSE(record(ejection, 1, kRefused, 4).ejected);
  const auto change = record(ejection, 1, kRefused);
  CHECK(change.ejected);
  CHECK(change.detector == Detector::ConsecutiveLocalOriginFailures);
  CHECK(change.ejected_for == 30s);
  CHECK(ejection.state(1) == State::Ejected);
  CHECK(ejection.state(0) == State::Healthy);
  CHECK(ejection.count(State::Ejected) == 1);
  CHECK(ejection.snapshot(1, t0).ejected_until == t0 + 30s);
  CHECK(ejection.ejections(Detector::ConsecutiveLocalOriginFailures, config::PolicyMode::Enforce) ==
        1);
}

TEST_CASE("any response ends a row of local failures, even one that counts for nothing") {
  for (const auto& response : {status(200), status(404), status(500), status(501), status(505),
                               status(429), marked(503)}) {
    auto ejection = make_ejection(3);
    record(ejection, 0, kRefused, 4);
    record(ejection, 0, response);
    CHECK_FALSE(record(ejection, 0, kRefused, 4).ejected);
    CHECK(record(ejection, 0, kRefused).ejected);
  }
}

TEST_CASE("stale connections and abandoned tries neither count nor end a row") {
  for (const auto outcome : {TryOutcome::StaleConnection, TryOutcome::Abandoned}) {
    auto ejection = make_ejection(3);
    CHECK_FALSE(record(ejection, 0, {.outcome = outcome}, 100).ejected);
    record(ejection, 0, kRefused, 4);
    record(ejection, 0, {.outcome = outcome});
    CHECK(record(ejection, 0, kRefused).ejected);
  }
}

TEST_CASE("gateway errors and local failures in a row eject, another answer ends the row") {
  Settings settings{.consecutive_local_origin_failures = {}, .consecutive_gateway_errors = 5};
  auto ejection = make_ejection(3, settings);
  record(ejection, 0, status(502));
  record(ejection, 0, status(503));
  record(ejection, 0, status(504));
  record(ejection, 0, kRefused);
  const auto change = record(ejection, 0, status(503));
  CHECK(change.ejected);
  CHECK(change.detector == Detector::ConsecutiveGatewayErrors);

  for (const auto& ends_row : {status(200), status(500)}) {
    record(ejection, 1, status(503), 4);
    record(ejection, 1, ends_row);
    CHECK_FALSE(record(ejection, 1, status(503), 4).ejected);
    record(ejection, 1, status(200));
  }
}

TEST_CASE("what never counts is not part of a row of statuses") {
  Settings settings{.consecutive_gateway_errors = 5, .consecutive_5xx = 6};
  auto ejection = make_ejection(3, settings);
  for (const auto& uncounted : {status(501), status(505), status(429), marked(503)}) {
    CHECK_FALSE(record(ejection, 0, uncounted, 100).ejected);
  }
  record(ejection, 0, status(503), 4);
  record(ejection, 0, status(501));
  CHECK(record(ejection, 0, status(503)).ejected);
}

TEST_CASE("any 5xx in a row eject where asked for") {
  Settings settings{.consecutive_5xx = 3};
  auto ejection = make_ejection(3, settings);
  record(ejection, 0, status(500));
  record(ejection, 0, status(503));
  const auto change = record(ejection, 0, status(599));
  CHECK(change.ejected);
  CHECK(change.detector == Detector::Consecutive5xx);
}

TEST_CASE("a detector that is off ejects nothing") {
  auto ejection = make_ejection(3);  // the defaults of an absent block: local failures only
  CHECK_FALSE(record(ejection, 0, status(503), 100).ejected);
  Settings off{.consecutive_local_origin_failures = {}};
  ejection.configure(off);
  CHECK_FALSE(record(ejection, 1, kRefused, 100).ejected);
}

TEST_CASE("a new threshold applies to the row that stands") {
  auto ejection = make_ejection(3);
  record(ejection, 0, kRefused, 2);
  ejection.configure({.consecutive_local_origin_failures = 3});
  CHECK(record(ejection, 0, kRefused).ejected);
}

TEST_CASE("a body that broke off adds one failure to a try that had succeeded") {
  auto ejection = make_ejection(3);
  record(ejection, 0, kRefused, 3);
  record(ejection, 0, status(200));
  record(ejection, 0, {.outcome = TryOutcome::Reset});
  CHECK(ejection.snapshot(0, t0).consecutive_local_origin_failures == 1);
}

// What all endpoints share.

TEST_CASE("statuses that all endpoints answer with eject none; local failures do") {
  Settings settings{.consecutive_gateway_errors = 5};
  auto ejection = make_ejection(3, settings);
  for (int i = 0; i < 20; ++i) {
    for (std::uint32_t slot = 0; slot < 3; ++slot) record(ejection, slot, status(503));
  }
  // The first to come to five had the others' at four of four failed.
  CHECK(ejection.count(State::Ejected) == 0);
  CHECK(ejection.denied(EjectionDenial::CommonMode) == 3 * 16);
  CHECK(record(ejection, 0, status(503)).denied == EjectionDenial::CommonMode);

  CHECK(record(ejection, 0, kRefused, 5).ejected);
}

TEST_CASE("others without outcomes count as good") {
  Settings settings{.consecutive_gateway_errors = 5};
  auto ejection = make_ejection(2, settings);
  CHECK(record(ejection, 0, status(503), 5).ejected);
}

TEST_CASE("a row that the others do not share is judged by itself, not by better days") {
  const Settings settings{.consecutive_gateway_errors = 5};
  const auto good_days = [&](std::uint32_t endpoints) {
    auto ejection = make_ejection(endpoints, settings);
    for (std::uint32_t slot = 0; slot < endpoints; ++slot)
      record(ejection, slot, status(200), 1000);
    return ejection;
  };
  // Two endpoints, turn by turn; the others' share of failures since the row began is taken as
  // 0.5/(n+1). Five failures beside four good ones: 0.1^5 = 1e-5.
  auto two = good_days(2);
  for (int i = 0; i < 4; ++i) {
    CHECK_FALSE(record(two, 0, status(503)).ejected);
    record(two, 1, status(200));
  }
  CHECK(record(two, 0, status(503)).ejected);

  // An outage that all share begins: each has a row, and the others have one too.
  auto three = good_days(3);
  for (int i = 0; i < 30; ++i) {
    for (std::uint32_t slot = 0; slot < 3; ++slot) {
      CHECK_FALSE(record(three, slot, status(503)).ejected);
    }
  }

  // Rows as chance makes them where all fail three times in ten: 0.3^5 is 2.4e-3, and of nine
  // 2e-5. Of ten it is 6e-6.
  auto noisy = good_days(2);
  record(noisy, 0, status(503));
  for (int i = 0; i < 1000; ++i) record(noisy, 1, status(i % 10 < 3 ? 500 : 200));
  CHECK(record(noisy, 0, status(503), 8).denied == EjectionDenial::CommonMode);
  CHECK(record(noisy, 0, status(503)).ejected);

  // Who is alone in being asked has nothing to be compared with but his past.
  auto unasked = good_days(2);
  CHECK_FALSE(record(unasked, 0, status(503), 50).ejected);
}

TEST_CASE("the others must be at least ten points better, to the point") {
  Settings settings{.consecutive_gateway_errors = 5};
  // Own: 15 of 20 = 75 %. Others: 85 % is enough, 84 % is not.
  const auto ejected_against = [&](int good, int bad) {
    auto ejection = make_ejection(3, settings);
    record(ejection, 1, status(500), bad);
    record(ejection, 1, status(200), good);
    record(ejection, 0, status(200), 15);
    return record(ejection, 0, status(503), 5).ejected;
  };
  CHECK(ejected_against(85, 15));
  CHECK_FALSE(ejected_against(84, 16));

  // Against others without outcomes: 90 % is the last to be ejected.
  for (const auto& [good, ejected] : {std::pair{45, true}, std::pair{46, false}}) {
    auto ejection = make_ejection(3, settings);
    record(ejection, 0, status(200), good);
    CHECK(record(ejection, 0, status(503), 5).ejected == ejected);
  }
}

TEST_CASE("the comparison looks back over the window of ten seconds, not further") {
  Settings settings{.consecutive_gateway_errors = 5};
  auto ejection = make_ejection(2, settings);
  record(ejection, 0, status(200), 1000);
  record(ejection, 1, status(500), 1000);
  CHECK(record(ejection, 0, status(503), 5).denied == EjectionDenial::CommonMode);
  // Eleven seconds on, that is forgotten, and only the row stands.
  CHECK(record(ejection, 0, status(503), 1, t0 + 11s).ejected);
}

TEST_CASE("a verdict held back for all endpoints is carried out once the others do better") {
  Settings settings{.consecutive_gateway_errors = 5};
  auto ejection = make_ejection(3, settings);
  for (std::uint32_t slot = 0; slot < 3; ++slot) record(ejection, slot, status(503), 6);
  record(ejection, 0, status(503), 5);
  REQUIRE(ejection.count(State::Ejected) == 1);  // slot 0 before the others had failed
  record(ejection, 2, status(200), 20);
  CHECK(ejection.state(1) == State::Healthy);
  ejection.configure({.consecutive_gateway_errors = 5, .max_ejection_percent = 100});
  CHECK(record(ejection, 1, status(503)).ejected);
}

// Caps.

TEST_CASE("so many of n endpoints may be ejected") {
  const auto ejected_of = [](std::uint32_t n, double percent) {
    auto ejection = make_ejection(n, {.max_ejection_percent = percent, .min_available = 0});
    for (std::uint32_t slot = 0; slot < n; ++slot) record(ejection, slot, kRefused, 5);
    return ejection.count(State::Ejected);
  };
  const std::vector<std::pair<std::uint32_t, std::uint32_t>> half{{1, 0}, {2, 1}, {3, 1},
                                                                  {4, 2}, {5, 2}, {10, 5}};
  for (const auto& [n, allowed] : half) CHECK(ejected_of(n, 50) == allowed);
  CHECK(ejected_of(10, 29.9) == 2);
  CHECK(ejected_of(10, 30) == 3);
  CHECK(ejected_of(10, 1) == 1);  // at least one of two or more
  CHECK(ejected_of(10, 0) == 0);
  CHECK(ejected_of(10, 100) == 10);
}

TEST_CASE("never fewer than min_available are left") {
  auto ejection = make_ejection(4, {.max_ejection_percent = 100, .min_available = 2});
  CHECK(record(ejection, 0, kRefused, 5).ejected);
  CHECK(record(ejection, 1, kRefused, 5).ejected);
  CHECK(record(ejection, 2, kRefused, 5).denied == EjectionDenial::MinAvailable);
  // On probation it is not available either.
  advance(ejection, t0 + 30s);
  REQUIRE(ejection.state(0) == State::Probation);
  CHECK(record(ejection, 2, kRefused, 1, t0 + 30s).denied == EjectionDenial::MinAvailable);
  probe(ejection, 0, status(200), t0 + 30s);
  CHECK(record(ejection, 2, kRefused, 1, t0 + 30s).ejected);
}

TEST_CASE("an endpoint on probation keeps its place within the cap") {
  auto ejection = make_ejection(4);
  record(ejection, 0, kRefused, 5);
  record(ejection, 1, kRefused, 5);
  CHECK(record(ejection, 2, kRefused, 5).denied == EjectionDenial::MaxEjectionPercent);
  advance(ejection, t0 + 30s);
  CHECK(record(ejection, 2, kRefused, 1, t0 + 30s).denied == EjectionDenial::MaxEjectionPercent);
  CHECK(probe(ejection, 0, kRefused, t0 + 30s).ejected);
  CHECK(probe(ejection, 1, status(200), t0 + 30s).restored);
  CHECK(record(ejection, 2, kRefused, 1, t0 + 30s).ejected);
}

TEST_CASE("a lone endpoint is never ejected") {
  auto ejection = make_ejection(1, {.max_ejection_percent = 100, .min_available = 0});
  const auto change = record(ejection, 0, kRefused, 5);
  CHECK_FALSE(change.ejected);
  CHECK(change.denied == EjectionDenial::Lone);
  CHECK(ejection.denied(EjectionDenial::Lone) == 1);
}

TEST_CASE("a verdict that a cap blocked leaves its counter standing and is counted") {
  auto ejection = make_ejection(2);
  record(ejection, 0, kRefused, 5);
  record(ejection, 1, kRefused, 5);
  CHECK(ejection.denied(EjectionDenial::MaxEjectionPercent) == 1);
  record(ejection, 1, kRefused);
  CHECK(ejection.denied(EjectionDenial::MaxEjectionPercent) == 2);
  CHECK(ejection.snapshot(1, t0).consecutive_local_origin_failures == 6);

  advance(ejection, t0 + 30s);
  probe(ejection, 0, status(200), t0 + 30s);
  CHECK(record(ejection, 1, kRefused, 1, t0 + 30s).ejected);  // at the next failure
}

// Time out, probation, way back.

TEST_CASE("an ejection ends at its time, and only then") {
  auto ejection = make_ejection(4);
  CHECK(ejection.next_return() == kNever);
  record(ejection, 2, kRefused, 5);
  record(ejection, 0, kRefused, 5, t0 + 1s);
  CHECK(ejection.next_return() == t0 + 30s);
  CHECK(advance(ejection, t0 + 30s - 1ns).empty());
  CHECK(advance(ejection, t0 + 30s) == std::vector<std::uint32_t>{2});
  CHECK(ejection.state(2) == State::Probation);
  CHECK(ejection.next_return() == t0 + 31s);
  CHECK(advance(ejection, t0 + 1min) == std::vector<std::uint32_t>{0});
  CHECK(ejection.next_return() == kNever);
}

TEST_CASE("what began before an ejection changes nothing during it") {
  auto ejection = make_ejection(3);
  record(ejection, 0, kRefused, 5);
  record(ejection, 0, status(200), 5);
  CHECK_FALSE(record(ejection, 0, kRefused, 5).ejected);
  CHECK(ejection.state(0) == State::Ejected);
  CHECK(ejection.snapshot(0, t0).ejected_until == t0 + 30s);
}

TEST_CASE("on probation there is one request at a time until one succeeds") {
  auto ejection = make_ejection(3);
  CHECK_FALSE(ejection.take_probation(0));
  record(ejection, 0, kRefused, 5);
  CHECK_FALSE(ejection.take_probation(0));
  CHECK_FALSE(free_place(ejection));
  advance(ejection, t0 + 30s);

  CHECK(free_place(ejection) == 0u);
  CHECK(ejection.take_probation(0));
  CHECK_FALSE(free_place(ejection));
  CHECK_FALSE(ejection.take_probation(0));
  ejection.give_back_probation(0, t0);
  ejection.give_back_probation(0, t0);
  CHECK(free_place(ejection) == 0u);

  CHECK(ejection.take_probation(0));
  CHECK(ejection.record(0, status(200), t0 + 31s).restored);
  CHECK(ejection.state(0) == State::Healthy);
  CHECK_FALSE(free_place(ejection));
  CHECK_FALSE(record(ejection, 0, kRefused, 4).ejected);  // its rows begin anew
  CHECK(record(ejection, 0, kRefused).ejected);
}

TEST_CASE("a failure on probation ejects at once, whatever detector would have been asked") {
  for (const auto& failure : {kRefused, status(500), status(503)}) {
    auto ejection = make_ejection(3);
    record(ejection, 0, kRefused, 5);
    advance(ejection, t0 + 30s);
    const auto change = probe(ejection, 0, failure, t0 + 30s);
    CHECK(change.ejected);
    CHECK(change.detector == Detector::Probation);
    CHECK(change.ejected_for == 60s);
    CHECK(ejection.ejections(Detector::Probation, config::PolicyMode::Enforce) == 1);
    CHECK_FALSE(free_place(ejection));
  }
}

TEST_CASE("a probation's try that says nothing gives its place to the next, after a pause") {
  for (const auto& nothing :
       {status(429), status(501), marked(503), TryEnd{.outcome = TryOutcome::Abandoned},
        TryEnd{.outcome = TryOutcome::StaleConnection}}) {
    auto ejection = make_ejection(3);
    record(ejection, 0, kRefused, 5);
    advance(ejection, t0 + 30s);
    const auto change = probe(ejection, 0, nothing, t0 + 30s);
    CHECK_FALSE(change.ejected);
    CHECK_FALSE(change.restored);
    CHECK(ejection.state(0) == State::Probation);
    CHECK_FALSE(free_place(ejection, t0 + 30s));
    CHECK(free_place(ejection, t0 + 31s) == 0u);
  }
}

TEST_CASE("the pause doubles with each request that settles nothing, up to the base time") {
  auto ejection = make_ejection(3, {.base_ejection_time = 3s});
  record(ejection, 0, kRefused, 5);
  auto now = t0 + 3s;
  advance(ejection, now);
  for (const auto pause : {1s, 2s, 3s, 3s}) {
    REQUIRE(free_place(ejection, now) == 0u);
    probe(ejection, 0, status(429), now);
    CHECK_FALSE(free_place(ejection, now + pause - 1ms));
    CHECK(ejection.free_places().size() == 1);  // for who finds nothing else
    now += pause;
  }
  CHECK(probe(ejection, 0, status(200), now).restored);
  record(ejection, 0, kRefused, 5, now);
  advance(ejection, now + 6s);
  probe(ejection, 0, status(429), now + 6s);
  CHECK(free_place(ejection, now + 7s) == 0u);  // begins anew
}

TEST_CASE("a try from before the ejection does not decide the probation") {
  auto ejection = make_ejection(3);
  record(ejection, 0, kRefused, 5);
  advance(ejection, t0 + 30s);
  ejection.record(0, status(200), t0 + 30s);  // nobody has taken the place
  CHECK(ejection.state(0) == State::Probation);
  REQUIRE(ejection.take_probation(0));
  ejection.record(0, kRefused, t0 + 30s, false);
  CHECK(ejection.state(0) == State::Probation);
  CHECK_FALSE(free_place(ejection));
  CHECK(ejection.record(0, status(200), t0 + 30s, true).restored);
}

TEST_CASE("probation's places are served in the order in which they are due") {
  auto ejection = make_ejection(4);
  record(ejection, 3, kRefused, 5);
  record(ejection, 1, kRefused, 5, t0 + 1s);
  advance(ejection, t0 + 30s);
  CHECK(free_place(ejection) == 3u);
  probe(ejection, 3, status(429), t0 + 30s);
  advance(ejection, t0 + 31s);
  CHECK(free_place(ejection) == 1u);
}

TEST_CASE("each consecutive ejection is longer by the base time, up to the most") {
  auto ejection = make_ejection(3, {.base_ejection_time = 30s, .max_ejection_time = 100s});
  auto now = t0;
  CHECK(record(ejection, 0, kRefused, 5, now).ejected_for == 30s);
  for (const auto expected : {60s, 90s, 100s, 100s, 100s}) {
    now = ejection.next_return();
    advance(ejection, now);
    CHECK(probe(ejection, 0, kRefused, now).ejected_for == expected);
  }
  // The count stopped where the time did.
  CHECK(ejection.snapshot(0, now).ejections == 4);
}

TEST_CASE("a sweep that ejects takes nothing off, spotless as the endpoint was till then") {
  // A slow endpoint has successes and no failures: its ejections would never grow longer.
  const Settings settings{.latency = config::LatencyDetector{}};
  auto ejection = make_ejection(4, settings);
  const auto slow_sweep = [&](TimePoint now) {
    for (std::uint32_t slot = 0; slot < 4; ++slot) {
      for (int i = 0; i < 50; ++i) {
        ejection.record(slot, status(200), now);
        ejection.record_time(slot, status(200), slot == 0 ? 1s : 10ms);
      }
    }
    return sweep(ejection, settings, now);
  };
  auto now = t0;
  for (const auto expected : {30s, 60s, 90s}) {
    const auto swept = slow_sweep(now);
    REQUIRE(swept.size() == 1);
    CHECK(swept[0].second.ejected_for == expected);
    now += expected;
    advance(ejection, now);
    probe(ejection, 0, status(200), now);
  }
}

TEST_CASE("a sweep with successes and no failure takes one ejection off") {
  auto ejection = make_ejection(3);
  record(ejection, 0, kRefused, 5);
  advance(ejection, t0 + 30s);
  probe(ejection, 0, kRefused, t0 + 30s);
  advance(ejection, t0 + 90s);
  sweep(ejection, t0 + 90s);
  sweep(ejection, t0 + 100s);  // nothing came: nothing is shown
  REQUIRE(ejection.snapshot(0, t0).ejections == 2);

  probe(ejection, 0, status(200), t0 + 100s);
  sweep(ejection, t0 + 110s);
  CHECK(ejection.snapshot(0, t0).ejections == 1);

  record(ejection, 0, status(200), 10);
  record(ejection, 0, status(500));
  sweep(ejection, t0 + 120s);  // a failure among them
  CHECK(ejection.snapshot(0, t0).ejections == 1);

  record(ejection, 0, status(429), 10);
  sweep(ejection, t0 + 130s);
  CHECK(ejection.snapshot(0, t0).ejections == 1);

  for (int i = 0; i < 2; ++i) {
    record(ejection, 0, status(200));
    sweep(ejection, t0 + 140s);
  }
  CHECK(ejection.snapshot(0, t0).ejections == 0);
  CHECK(record(ejection, 0, kRefused, 5).ejected_for == 30s);
}

TEST_CASE("a quick relapse is ejected for longer") {
  auto ejection = make_ejection(3);
  record(ejection, 0, kRefused, 5);
  advance(ejection, t0 + 30s);
  probe(ejection, 0, status(200), t0 + 30s);
  CHECK(record(ejection, 0, kRefused, 5, t0 + 31s).ejected_for == 60s);
}

// The sweep.

namespace {

// `failed` of a hundred tries, in turn with the successes so that no row of failures comes about.
void hundred(OutlierEjection& ejection, std::uint32_t slot, int failed) {
  for (int i = 0; i < 100; ++i) {
    const bool fails = (i + 1) * failed / 100 > i * failed / 100;
    ejection.record(slot, status(fails ? 500 : 200), t0);
  }
}

Settings success_rate() {
  Settings settings;
  settings.success_rate.emplace();
  return settings;
}

}  // namespace

// Of n endpoints the last `bad` fail 60 % of 100 tries, the others none. The bound is never nearer
// than 10 points, and 1.9 standard deviations of the others:
//   n = 1: nothing to compare with. n = 2: fewer than min_endpoints.
//   n = 3, 1 bad: others 100, 100 → mean 100, deviation 0, bound 90: ejected.
//          2 bad: others 40, 100 → mean 70, deviation 30, bound 70 − 57 = 13: none.
//   n = 5, 1 bad: as with 3. 2 bad: others 40, 100, 100, 100 → mean 85, deviation 25.98,
//          bound 85 − 49.4 = 35.6: none.
//   n = 10, 2 bad: others 40, 8 × 100 → mean 93.3, deviation 18.86, bound 57.5: both.
//          3 bad: others 2 × 40, 7 × 100 → mean 86.7, deviation 24.94, bound 39.3: none, by 0.7.
TEST_CASE("a sweep ejects whose success rate is far below the others'") {
  struct Row {
    std::uint32_t endpoints, bad, ejected;
  };
  for (const auto& [n, bad, ejected] :
       {Row{1, 1, 0}, Row{2, 1, 0}, Row{3, 1, 1}, Row{3, 2, 0}, Row{5, 1, 1}, Row{5, 2, 0},
        Row{10, 1, 1}, Row{10, 2, 2}, Row{10, 3, 0}, Row{10, 10, 0}}) {
    CAPTURE(n, bad);
    auto ejection = make_ejection(n, success_rate());
    for (std::uint32_t slot = 0; slot < n; ++slot) {
      hundred(ejection, slot, slot + bad >= n ? 60 : 0);
    }
    for (const auto& [slot, change] : sweep(ejection, success_rate(), t0)) {
      CHECK(slot + bad >= n);
      CHECK(change.ejected);
      CHECK(change.detector == Detector::SuccessRate);
      CHECK(change.evidence.own == 40);
      CHECK(change.ejected_for == 30s);
    }
    CHECK(ejection.count(State::Ejected) == ejected);
    CHECK(ejection.ejections(Detector::SuccessRate, config::PolicyMode::Enforce) == ejected);
  }
}

// All of n but the first fail all of their tries, above 85 %; at most max(n / 2, 1 of 2) may be
// out, and a lone one never: n = 1, 2, 3, 5, 10 → 0, 1, 1, 2, 5 ejected, the rest denied.
TEST_CASE("a sweep's verdicts obey the caps") {
  struct Row {
    std::uint32_t endpoints, ejected;
    EjectionDenial denial;
  };
  const auto percent = EjectionDenial::MaxEjectionPercent;
  for (const auto& [n, ejected, denial] :
       {Row{1, 0, EjectionDenial::Lone}, Row{2, 1, percent}, Row{3, 1, percent}, Row{5, 2, percent},
        Row{10, 5, percent}}) {
    CAPTURE(n);
    Settings settings;
    settings.failure_percentage.emplace();
    auto ejection = make_ejection(n, settings);
    for (std::uint32_t slot = 0; slot < n; ++slot) hundred(ejection, slot, 100);
    const auto swept = sweep(ejection, settings, t0);
    CHECK(swept.size() == n);
    CHECK(ejection.count(State::Ejected) == ejected);
    CHECK(ejection.denied(denial) == n - ejected);
    CHECK(swept.back().second.denied == denial);
    CHECK(swept.back().second.detector == Detector::FailurePercentage);

    // Without them, nothing was counted since.
    CHECK(sweep(ejection, settings, t0 + 10s).empty());
  }
}

TEST_CASE("a sweep leaves min_available") {
  Settings settings{.max_ejection_percent = 100, .min_available = 2};
  settings.failure_percentage.emplace();
  auto ejection = make_ejection(3, settings);
  for (std::uint32_t slot = 0; slot < 3; ++slot) hundred(ejection, slot, 100);
  sweep(ejection, settings, t0);
  CHECK(ejection.count(State::Healthy) == 2);
  CHECK(ejection.denied(EjectionDenial::MinAvailable) == 2);
}

TEST_CASE("the worst go first where the cap does not allow all") {
  Settings settings;
  settings.failure_percentage.emplace();
  auto ejection = make_ejection(3, settings);
  hundred(ejection, 0, 86);
  hundred(ejection, 1, 99);
  hundred(ejection, 2, 90);
  const auto swept = sweep(ejection, settings, t0);
  REQUIRE(swept.size() == 3);
  CHECK(swept[0].first == 1);
  CHECK(swept[0].second.ejected);
  CHECK(swept[1].second.denied);
}

// 100 tries each: 10 ms at two endpoints, and 300 ms for 6 % at the third: its p95 is the 95th of
// the sorted, 300 ms, far above 3 × 10 ms and 50 ms. At 5 % it is 10 ms.
TEST_CASE("a sweep ejects whose p95 is far above the others'") {
  Settings settings;
  settings.latency.emplace();
  for (const int slow : {5, 6}) {
    auto ejection = make_ejection(3, settings);
    for (std::uint32_t slot = 0; slot < 3; ++slot) {
      for (int i = 0; i < 100; ++i) {
        ejection.record_time(slot, status(200), slot == 1 && i < slow ? 300ms : 10ms);
      }
    }
    const auto swept = sweep(ejection, settings, t0);
    CHECK(swept.size() == (slow == 6 ? 1 : 0));
    CHECK(ejection.count(State::Ejected) == swept.size());
    if (swept.empty()) continue;
    CHECK(swept[0].first == 1);
    CHECK(swept[0].second.detector == Detector::Latency);
    CHECK(swept[0].second.evidence.own == Approx(0.3).epsilon(0.032));
    CHECK(swept[0].second.evidence.others == Approx(0.01).epsilon(0.032));
  }
}

TEST_CASE("cancelled tries and timeouts tell how slow an endpoint is, refusals and resets do not") {
  Settings settings;
  settings.latency.emplace();
  for (const auto& [outcome, tells] :
       {std::pair{TryOutcome::Abandoned, true}, std::pair{TryOutcome::PerTryTimeout, true},
        std::pair{TryOutcome::RequestTimeout, true}, std::pair{TryOutcome::ConnectTimeout, true},
        std::pair{TryOutcome::ConnectRefused, false}, std::pair{TryOutcome::Reset, false},
        std::pair{TryOutcome::ResetBeforeRequest, false},
        std::pair{TryOutcome::StaleConnection, false}, std::pair{TryOutcome::BadResponse, false}}) {
    auto ejection = make_ejection(1, settings);
    ejection.record_time(0, {.outcome = outcome}, 1s);
    CHECK(ejection.close_interval(0)->times.count() == (tells ? 1 : 0));
  }
  for (const auto& [end, tells] : {std::pair{status(200), true}, std::pair{status(500), true},
                                   std::pair{status(429), false}, std::pair{status(501), false},
                                   std::pair{status(505), false}, std::pair{marked(503), false}}) {
    auto ejection = make_ejection(1, settings);
    ejection.record_time(0, end, 1s);
    CHECK(ejection.close_interval(0)->times.count() == (tells ? 1 : 0));
  }
  auto ejection = make_ejection(1, settings);
  ejection.record_time(0, {.outcome = TryOutcome::Abandoned}, 0s);  // it had not begun
  CHECK(ejection.close_interval(0)->times.count() == 0);
}

TEST_CASE("what never counts is no part of a success rate") {
  auto ejection = make_ejection(1);
  for (const auto& end :
       {status(501), status(505), status(429), marked(503),
        TryEnd{.outcome = TryOutcome::StaleConnection}, TryEnd{.outcome = TryOutcome::Abandoned}}) {
    record(ejection, 0, end);
  }
  const auto counts = ejection.close_interval(0);
  CHECK(counts->successes == 0);
  CHECK(counts->failures == 0);
}

TEST_CASE("an interval holds what came since the last sweep") {
  auto ejection = make_ejection(1);
  hundred(ejection, 0, 60);
  CHECK(ejection.close_interval(0)->failures == 60);
  CHECK(ejection.close_interval(0)->failures == 0);
  CHECK_FALSE(ejection.close_interval(1));
}

TEST_CASE("an endpoint that is out is neither judged by a sweep nor compared with") {
  auto ejection = make_ejection(4, success_rate());
  for (std::uint32_t slot = 0; slot < 4; ++slot) hundred(ejection, slot, slot == 3 ? 60 : 0);
  record(ejection, 0, kRefused, 5);
  // Of the four, the three in service are compared.
  CHECK(sweep(ejection, success_rate(), t0).size() == 1);
  REQUIRE(ejection.count(State::Ejected) == 2);

  // With two left, there are too few to compare.
  for (std::uint32_t slot = 0; slot < 4; ++slot) hundred(ejection, slot, slot == 2 ? 60 : 0);
  CHECK(sweep(ejection, success_rate(), t0).empty());
}

TEST_CASE("a verdict on an endpoint that is out by now, or gone, does nothing") {
  auto ejection = make_ejection(4);
  record(ejection, 0, kRefused, 5);
  for (const std::uint32_t slot : {0u, 9u}) {
    const auto change = ejection.carry_out({.slot = slot, .detector = Detector::Latency}, t0);
    CHECK_FALSE(change.ejected);
    CHECK_FALSE(change.denied);
  }
  CHECK(ejection.count(State::Ejected) == 1);
}

TEST_CASE("a detector that comes with a reload counts from then on") {
  auto ejection = make_ejection(1);
  ejection.record_time(0, status(200), 1s);
  Settings settings;
  settings.latency.emplace();
  ejection.configure(settings);
  ejection.record_time(0, status(200), 1s);
  CHECK(ejection.close_interval(0)->times.count() == 1);
  ejection.configure({});
  ejection.record_time(0, status(200), 1s);
  CHECK(ejection.close_interval(0)->times.count() == 0);
}

TEST_CASE("a sweep that observes counts, and leaves rows of failures as they are") {
  auto settings = success_rate();
  settings.mode = config::PolicyMode::Observe;
  auto ejection = make_ejection(3, settings);
  for (std::uint32_t slot = 0; slot < 3; ++slot) hundred(ejection, slot, slot == 2 ? 60 : 0);
  record(ejection, 2, kRefused, 4);
  const auto swept = sweep(ejection, settings, t0);
  REQUIRE(swept.size() == 1);
  CHECK(swept[0].second.observed);
  CHECK(ejection.count(State::Healthy) == 3);
  CHECK(ejection.ejections(Detector::SuccessRate, config::PolicyMode::Observe) == 1);
  CHECK(ejection.ejections(Detector::SuccessRate, config::PolicyMode::Enforce) == 0);
  CHECK(ejection.snapshot(2, t0).consecutive_local_origin_failures == 4);
}

// Observe.

TEST_CASE("observe counts what it would have ejected, and ejects nothing") {
  auto ejection = make_ejection(3, {.mode = config::PolicyMode::Observe});
  const auto change = record(ejection, 0, kRefused, 5);
  CHECK(change.observed);
  CHECK_FALSE(change.ejected);
  CHECK(change.detector == Detector::ConsecutiveLocalOriginFailures);
  CHECK(ejection.state(0) == State::Healthy);
  CHECK(ejection.next_return() == kNever);
  // The next verdict takes a row of its own.
  CHECK_FALSE(record(ejection, 0, kRefused, 4).observed);
  CHECK(record(ejection, 0, kRefused).observed);
  CHECK(ejection.ejections(Detector::ConsecutiveLocalOriginFailures, config::PolicyMode::Enforce) ==
        0);
  CHECK(ejection.ejections(Detector::ConsecutiveLocalOriginFailures, config::PolicyMode::Observe) ==
        2);
}

TEST_CASE("a reload to observe brings the ejected and those on probation back") {
  auto ejection = make_ejection(4);
  record(ejection, 0, kRefused, 5);
  advance(ejection, t0 + 30s);
  record(ejection, 1, kRefused, 5, t0 + 30s);
  ejection.configure({.mode = config::PolicyMode::Observe});
  CHECK(advance(ejection, t0 + 30s) == std::vector<std::uint32_t>{0, 1});
  CHECK(ejection.count(State::Healthy) == 4);
  CHECK_FALSE(free_place(ejection));
}

// The set changes.

TEST_CASE("the last endpoint left comes back at once") {
  for (const bool on_probation : {false, true}) {
    auto ejection = make_ejection(2);
    record(ejection, 0, kRefused, 5);
    if (on_probation) advance(ejection, t0 + 30s);
    ejection.remove(1);
    CHECK(advance(ejection, t0 + 30s) == std::vector<std::uint32_t>{0});
    CHECK(ejection.state(0) == State::Healthy);
    CHECK(ejection.next_return() == kNever);
  }
}

TEST_CASE("a probation that fails while its endpoint is alone does not eject it") {
  auto ejection = make_ejection(2);
  record(ejection, 0, kRefused, 5);
  advance(ejection, t0 + 30s);
  REQUIRE(ejection.take_probation(0));
  ejection.remove(1);
  CHECK(ejection.record(0, kRefused, t0 + 30s).denied == EjectionDenial::Lone);
}

TEST_CASE("where a smaller set would not allow all ejections those end early that end first") {
  auto ejection = make_ejection(6);  // of which three may be out
  record(ejection, 2, kRefused, 5);
  record(ejection, 0, kRefused, 5, t0 + 1s);
  record(ejection, 1, kRefused, 5, t0 + 2s);
  ejection.remove(5);  // of five, two may
  CHECK(advance(ejection, t0 + 3s) == std::vector<std::uint32_t>{2});
  CHECK(ejection.count(State::Ejected) == 2);
  ejection.remove(4);  // of four, two may: one is on its way back already
  CHECK(advance(ejection, t0 + 3s).empty());
  ejection.remove(3);  // of three, one may
  CHECK(advance(ejection, t0 + 3s) == std::vector<std::uint32_t>{0});
}

TEST_CASE("who fails on probation where the cap has no room waits for the next pause") {
  auto ejection = make_ejection(4);
  record(ejection, 0, kRefused, 5);
  record(ejection, 1, kRefused, 5);
  ejection.remove(2);  // of three, one may be out
  CHECK(advance(ejection, t0 + 1s) == std::vector<std::uint32_t>{0});
  CHECK(probe(ejection, 0, kRefused, t0 + 1s).denied == EjectionDenial::MaxEjectionPercent);
  CHECK(ejection.state(0) == State::Probation);
  CHECK_FALSE(free_place(ejection, t0 + 1s));
  CHECK(free_place(ejection, t0 + 2s) == 0u);
}

TEST_CASE("where too few healthy endpoints are left ejections end early") {
  auto ejection = make_ejection(5, {.max_ejection_percent = 100, .min_available = 2});
  for (std::uint32_t slot = 0; slot < 3; ++slot) record(ejection, slot, kRefused, 5);
  REQUIRE(ejection.count(State::Ejected) == 3);
  ejection.remove(4);  // one is left, and is to be joined by one
  CHECK(advance(ejection, t0) == std::vector<std::uint32_t>{0});
  CHECK(ejection.count(State::Ejected) == 2);
}

TEST_CASE("who fails the health checks is not available to stay") {
  // Four endpoints, of which two may be out. One is unhealthy: with one ejected two are left, and
  // min_available 2 lets no other go, healthy as it is.
  auto ejection = make_ejection(4, {.min_available = 2});
  ejection.set_healthy(0, false);
  CHECK(record(ejection, 1, kRefused, 5).ejected);
  CHECK(record(ejection, 2, kRefused, 5).denied == EjectionDenial::MinAvailable);
  ejection.set_healthy(0, true);
  CHECK(record(ejection, 2, kRefused).ejected);
}

TEST_CASE("ejecting an unhealthy endpoint takes none of the available ones away") {
  auto ejection = make_ejection(4, {.min_available = 3});
  ejection.set_healthy(0, false);
  CHECK(record(ejection, 0, kRefused, 5).ejected);
  CHECK(record(ejection, 1, kRefused, 5).denied == EjectionDenial::MinAvailable);
}

TEST_CASE("health counts again after an endpoint's ejection and its removal") {
  auto ejection = make_ejection(4, {.min_available = 1});
  ejection.set_healthy(0, false);
  record(ejection, 0, kRefused, 5);
  advance(ejection, t0 + 30s);
  REQUIRE(ejection.state(0) == State::Probation);
  ejection.set_healthy(0, true);
  probe(ejection, 0, status(200), t0 + 30s);
  ejection.set_healthy(1, false);
  ejection.remove(1);
  ejection.add(1, t0 + 30s);  // a new one is healthy
  CHECK(record(ejection, 0, kRefused, 5, t0 + 30s).ejected);
  CHECK(record(ejection, 1, kRefused, 5, t0 + 30s).ejected);
}

TEST_CASE("where the last available endpoint fails its checks ejections end early") {
  auto ejection = make_ejection(3);
  record(ejection, 0, kRefused, 5);
  REQUIRE(ejection.state(0) == State::Ejected);
  ejection.set_healthy(1, false);
  CHECK(advance(ejection, t0 + 1s).empty());
  ejection.set_healthy(2, false);
  CHECK(advance(ejection, t0 + 1s) == std::vector<std::uint32_t>{0});
  CHECK(ejection.state(0) == State::Probation);
}

TEST_CASE("a removal that the caps do not mind leaves ejections alone") {
  auto ejection = make_ejection(5);
  record(ejection, 0, kRefused, 5);
  ejection.remove(4);
  CHECK(advance(ejection, t0 + 29s).empty());
  CHECK(ejection.state(0) == State::Ejected);
}

TEST_CASE("an endpoint in a slot used before has a clean record") {
  auto ejection = make_ejection(3);
  record(ejection, 0, kRefused, 5);
  ejection.remove(0);
  CHECK(ejection.state(0) == State::Healthy);
  CHECK_FALSE(ejection.record(0, kRefused, t0).ejected);
  ejection.add(0, t0);
  CHECK(ejection.count(State::Ejected) == 0);
  const auto snapshot = ejection.snapshot(0, t0);
  CHECK(snapshot.ejections == 0);
  CHECK(snapshot.failures == 0);
  CHECK(snapshot.consecutive_local_origin_failures == 0);
  CHECK_FALSE(record(ejection, 0, kRefused, 4).ejected);
}

TEST_CASE("the snapshot tells counters and window") {
  auto ejection = make_ejection(3, {.consecutive_gateway_errors = 5, .consecutive_5xx = 9});
  record(ejection, 0, status(200), 7);
  record(ejection, 0, status(500), 2);
  record(ejection, 0, status(503), 1);
  record(ejection, 0, kRefused, 1);
  const auto snapshot = ejection.snapshot(0, t0);
  CHECK(snapshot.consecutive_local_origin_failures == 1);
  CHECK(snapshot.consecutive_gateway_errors == 2);
  CHECK(snapshot.consecutive_5xx == 4);
  CHECK(snapshot.successes == 7);
  CHECK(snapshot.failures == 4);
}

TEST_CASE("judging allocates nothing") {
  auto ejection = make_ejection(kMaxEndpoints, {.consecutive_gateway_errors = 3});
  const auto before = test::allocations();
  for (std::uint32_t i = 0; i < 20000; ++i) {
    const auto now = t0 + i * 10ms;
    const auto slot = i % 20;
    ejection.record(slot, i % 3 ? kRefused : status(200 + i % 400), now);
    ejection.record(slot, kRefused, now);
    ejection.advance(now, [](std::uint32_t) {});
    if (const auto free = free_place(ejection)) ejection.take_probation(*free);
  }
  CHECK(ejection.ejections(Detector::ConsecutiveLocalOriginFailures, config::PolicyMode::Enforce) >
        0);
  CHECK(test::allocations() == before);
}

TEST_CASE("detectors and causes have the metrics' labels") {
  CHECK(label(Detector::ConsecutiveLocalOriginFailures) == "consecutive-local-origin-failures");
  CHECK(label(Detector::ConsecutiveGatewayErrors) == "consecutive-gateway-errors");
  CHECK(label(Detector::Consecutive5xx) == "consecutive-5xx");
  CHECK(label(Detector::Probation) == "probation");
  CHECK(label(EjectionDenial::MaxEjectionPercent) == "max-ejection-percent");
  CHECK(label(EjectionDenial::MinAvailable) == "min-available");
  CHECK(label(EjectionDenial::Lone) == "lone");
  CHECK(label(EjectionDenial::CommonMode) == "common-mode");
}

}  // namespace outrigger::policy
