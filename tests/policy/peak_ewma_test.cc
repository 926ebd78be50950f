#include "proxy/policy/peak_ewma.h"

#include <cmath>

#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;
const TimePoint t0{1h};

}  // namespace

TEST_CASE("an average without samples is what it is measured against") {
  const PeakEwma ewma;
  CHECK_FALSE(ewma.known());
  CHECK(ewma.read(t0, 42.0) == 42.0);
}

TEST_CASE("a sample above the average replaces it, one below moves it by the time gone by") {
  PeakEwma ewma;
  ewma.add(100, t0);
  ewma.add(900, t0);
  CHECK(ewma.last() == 900);
  ewma.add(100, t0);
  CHECK(ewma.last() == 900);
  ewma.add(100, t0 + 10s);
  CHECK(ewma.last() == Approx(100 + 800 / std::exp(1.0)));
}

TEST_CASE("between samples the average drifts to its rest with a time constant of 10 s") {
  PeakEwma ewma;
  ewma.add(1000, t0);
  CHECK(ewma.read(t0, 200) == Approx(1000));
  CHECK(ewma.read(t0 + 10s, 200) == Approx(200 + 800 / std::exp(1.0)));
  CHECK(ewma.read(t0 + 10min, 200) == Approx(200));

  PeakEwma fast;
  fast.add(50, t0);
  CHECK(fast.read(t0 + 10s, 200) == Approx(200 - 150 / std::exp(1.0)));
}

TEST_CASE("the decay is the exponential, near and far") {
  CHECK(decay(0) == 1);
  for (double x = 0; x < 3; x += 0.001) {
    CAPTURE(x);
    REQUIRE(std::abs(decay(x) - std::exp(-x)) < 3e-7);
  }
}

TEST_CASE("while samples come they alone count, not the rest") {
  PeakEwma ewma;
  for (int i = 0; i < 1000; ++i) ewma.add(50, t0 + i * 100ms);
  CHECK(ewma.read(t0 + 99900ms, 1000) == Approx(50));
}

TEST_CASE("an older time than the last sample's counts as the same") {
  PeakEwma ewma;
  ewma.add(100, t0);
  ewma.add(10, t0 - 5s);
  CHECK(ewma.last() == 100);
  CHECK(ewma.read(t0 - 5s, 0) == 100);
}

}  // namespace outrigger::policy
