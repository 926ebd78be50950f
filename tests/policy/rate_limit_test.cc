#include "proxy/policy/rate_limit.h"

#include <deque>
#include <map>
#include <string>

#include "proxy/base/random.h"
#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint t0{1h};

config::RateLimit limit_of(std::uint32_t requests, Duration per, std::uint32_t burst) {
  return {.requests = requests, .per = per, .burst = burst};
}

int granted(RateLimit& limit, int asked, TimePoint now) {
  int count = 0;
  for (int i = 0; i < asked; ++i) count += limit.refused({}, now) ? 0 : 1;
  return count;
}

}  // namespace

TEST_CASE("a full bucket gives its burst at once, and then a token in each of its times") {
  RateLimit limit(limit_of(10, 1s, 3), 1);  // a token each 100 ms, at most three kept
  CHECK(granted(limit, 10, t0) == 3);
  CHECK(granted(limit, 10, t0 + 99ms) == 0);
  CHECK(granted(limit, 10, t0 + 100ms) == 1);
  CHECK(granted(limit, 10, t0 + 350ms) == 2);  // 200 and 300 ms; half of the next is there
  CHECK(granted(limit, 10, t0 + 400ms) == 1);
  CHECK(granted(limit, 10, t0 + 1h) == 3);  // no more than the burst, however long the rest
}

TEST_CASE("a refusal says when the next token comes") {
  RateLimit limit(limit_of(1, 10s, 1), 1);
  CHECK_FALSE(limit.refused({}, t0));
  CHECK(limit.refused({}, t0) == Duration(10s));
  CHECK(limit.refused({}, t0 + 9999ms) == Duration(1ms));
  CHECK_FALSE(limit.refused({}, t0 + 10s));
  CHECK(limit.refusals() == 2);
}

TEST_CASE("without a burst as many are kept as come in `per`") {
  RateLimit limit({.requests = 5, .per = 1s}, 1);
  CHECK(granted(limit, 100, t0) == 5);
  CHECK(granted(limit, 100, t0 + 1s) == 5);
}

TEST_CASE("over any time no more are granted than its tokens and one burst") {
  RateLimit limit(limit_of(7, 1s, 4), 1);  // 7 do not divide a second: rounded to fewer
  Random random(3);
  std::deque<TimePoint> grants;
  TimePoint now = t0;
  for (int i = 0; i < 20000; ++i) {
    now += std::chrono::microseconds(random.below(60000));
    if (!limit.refused({}, now)) grants.push_back(now);
  }
  for (std::size_t from = 0; from < grants.size(); from += 37) {
    for (const std::size_t more : {std::size_t{3}, std::size_t{50}, std::size_t{1000}}) {
      if (from + more >= grants.size()) continue;
      const double span = seconds(grants[from + more] - grants[from]);
      REQUIRE(static_cast<double>(more + 1) <= 7 * span + 4 + 1e-6);
    }
  }
  // And not many fewer: asked 33 times a second on average, it always had one to give.
  CHECK(static_cast<double>(grants.size()) >= 7 * seconds(now - t0) * 0.97);
}

TEST_CASE("the largest and smallest numbers that a user can write do not overflow") {
  RateLimit slow({.requests = 1, .per = 24h * 365, .burst = 1'000'000'000}, 1);
  CHECK(granted(slow, 1000, t0) == 101);  // it keeps a hundred years of tokens, and one
  RateLimit quick({.requests = 1'000'000'000, .per = 1ms}, 1);
  CHECK(granted(quick, 1000, t0) == 1000);
}

TEST_CASE("each key has a bucket of its own, and those without one share theirs") {
  auto settings = limit_of(1, 1s, 1);
  settings.key = config::RateLimitKey{.header = "x-tenant", .max_keys = 10};
  RateLimit limit(settings, 1);
  for (const auto key : {"a", "b", ""}) {
    CHECK_FALSE(limit.refused(key, t0));
    CHECK(limit.refused(key, t0));
  }
  CHECK_FALSE(limit.refused({}, t0));
  CHECK(limit.refused({}, t0));
  CHECK(limit.keys() == 3);
}

TEST_CASE("a key beyond max_keys takes the place of the one not seen for longest") {
  auto settings = limit_of(1, 1h, 1);
  settings.key = config::RateLimitKey{.header = "k", .max_keys = 2};
  RateLimit limit(settings, 1);
  CHECK_FALSE(limit.refused("a", t0));
  CHECK_FALSE(limit.refused("b", t0));
  CHECK(limit.refused("a", t0));  // seen again: b is now the older one
  CHECK_FALSE(limit.refused("c", t0));
  CHECK(limit.refused("a", t0));
  CHECK(limit.keys() == 2);
  CHECK_FALSE(limit.refused("b", t0));  // forgotten: its bucket is full again
}

TEST_CASE("keys keep their buckets in the order of their use, whatever comes") {
  constexpr std::uint32_t kKeys = 16;
  auto settings = limit_of(1, 1h, 1);
  settings.key = config::RateLimitKey{.header = "k", .max_keys = kKeys};
  RateLimit limit(settings, 5);
  std::deque<std::string> oracle;  // the newest last; each has spent its one token
  Random random(9);
  for (int i = 0; i < 20000; ++i) {
    const std::string key = "key-" + std::to_string(random.below(40));
    const auto known = std::find(oracle.begin(), oracle.end(), key);
    REQUIRE(limit.refused(key, t0).has_value() == (known != oracle.end()));
    if (known != oracle.end()) oracle.erase(known);
    oracle.push_back(key);
    if (oracle.size() > kKeys) oracle.pop_front();
  }
}

TEST_CASE("a reload keeps what was spent, and the keys used last where there is room for fewer") {
  auto settings = limit_of(1, 1h, 1);
  settings.key = config::RateLimitKey{.header = "k", .max_keys = 4};
  RateLimit limit(settings, 1);
  for (const auto key : {"a", "b", "c"}) CHECK_FALSE(limit.refused(key, t0));
  CHECK_FALSE(limit.refused({}, t0));
  settings.key->max_keys = 2;
  limit.configure(settings);
  CHECK(limit.refused({}, t0));
  CHECK(limit.refused("c", t0));
  CHECK(limit.refused("b", t0));
  CHECK_FALSE(limit.refused("a", t0));

  // Quicker tokens: nobody waits longer than the new bucket takes for one.
  RateLimit quicker(limit_of(1, 1h, 1), 1);
  CHECK_FALSE(quicker.refused({}, t0));
  quicker.configure(limit_of(1, 1s, 1));
  CHECK(quicker.refused({}, t0) == Duration(1s));
}

TEST_CASE("a key costs no allocation once the limit is made") {
  auto settings = limit_of(1, 1s, 1);
  settings.key = config::RateLimitKey{.header = "k", .max_keys = 100};
  RateLimit limit(settings, 1);
  std::array<std::string, 200> keys;
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = "tenant " + std::to_string(i);
  const auto before = test::allocations();
  for (const auto& key : keys) limit.refused(key, t0);
  CHECK(test::allocations() == before);
}

}  // namespace outrigger::policy
