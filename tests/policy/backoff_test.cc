#include "proxy/policy/backoff.h"

#include <algorithm>

#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;

constexpr int kSamples = 4000;

struct Spread {
  Duration least = Duration::max();
  Duration most{};
  Duration mean{};
};

Spread spread(const config::Backoff& settings, int retry) {
  Random random(7);
  Spread seen;
  for (int i = 0; i < kSamples; ++i) {
    const Duration wait = backoff_before(settings, retry, random);
    seen.least = std::min(seen.least, wait);
    seen.most = std::max(seen.most, wait);
    seen.mean += wait / kSamples;
  }
  return seen;
}

}  // namespace

TEST_CASE("a backoff is uniformly random from 0 to base·2^(n−1), at most max") {
  const config::Backoff settings{.base = 25ms, .max = 250ms};
  const auto [retry, longest] = GENERATE(table<int, Duration>(
      {{1, 25ms}, {2, 50ms}, {3, 100ms}, {4, 200ms}, {5, 250ms}, {6, 250ms}, {10, 250ms}}));
  CAPTURE(retry);
  const auto seen = spread(settings, retry);
  CHECK(seen.least >= 0ms);
  CHECK(seen.least < longest / 50);
  CHECK(seen.most <= longest);
  CHECK(seen.most > longest * 49 / 50);
  CHECK(seen.mean > longest * 47 / 100);
  CHECK(seen.mean < longest * 53 / 100);
}

TEST_CASE("a base beyond max waits max at most, and a base of 0 not at all") {
  CHECK(spread({.base = 1s, .max = 100ms}, 1).most <= 100ms);
  CHECK(spread({.base = 1s, .max = 100ms}, 1).most > 90ms);
  CHECK(spread({.base = 0ms, .max = 100ms}, 10).most == 0ms);
  CHECK(spread({.base = 10ms, .max = 0ms}, 3).most == 0ms);
}

TEST_CASE("a backoff of centuries does not overflow") {
  const config::Backoff settings{.base = 24h * 365 * 200, .max = Duration::max() - 1ns};
  CHECK(spread(settings, 10).least >= 0ns);
  CHECK(spread(settings, 10).most > settings.base);
}

TEST_CASE("the same seed waits the same") {
  Random one(3), other(3);
  for (int i = 1; i < 10; ++i) {
    CHECK(backoff_before({}, i, one) == backoff_before({}, i, other));
  }
}

}  // namespace outrigger::policy
