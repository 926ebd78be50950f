#include "proxy/policy/bucket_ring.h"

#include <vector>

#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;
using Ring = BucketRing<int, 4>;

const TimePoint t0{1h};

std::vector<int> seen(const Ring& ring, TimePoint now) {
  std::vector<int> counts;
  ring.newest_first(now, [&](int count) { counts.push_back(count); });
  return counts;
}

}  // namespace

TEST_CASE("a ring of buckets forgets a bucket when its turn comes round") {
  Ring ring(1s);
  for (int i = 1; i <= 6; ++i) ring.at(t0 + i * 1s) += i;
  CHECK(seen(ring, t0 + 6s) == std::vector{6, 5, 4, 3});
  CHECK(seen(ring, t0 + 6999ms) == std::vector{6, 5, 4, 3});
  CHECK(seen(ring, t0 + 8s) == std::vector{0, 0, 6, 5});
  CHECK(seen(ring, t0 + 100s) == std::vector{0, 0, 0, 0});

  ring.at(t0 + 8s) += 8;
  CHECK(seen(ring, t0 + 8s) == std::vector{8, 0, 6, 5});
  ring.at(t0 + 100s) += 1;
  CHECK(seen(ring, t0 + 100s) == std::vector{1, 0, 0, 0});
}

TEST_CASE("what is counted in the first moments of a clock is counted once") {
  BucketRing<int, 10> ring(1s);
  for (int i = 0; i < 4; ++i) ring.at(TimePoint{i * 1s}) += 1;
  int sum = 0;
  ring.newest_first(TimePoint{3s}, [&](int count) { sum += count; });
  CHECK(sum == 4);
}

TEST_CASE("a time before the newest bucket counts as the newest") {
  Ring ring(1s);
  ring.at(t0 + 2s) += 1;
  ring.at(t0 + 1999ms) += 1;
  CHECK(seen(ring, t0 + 2s) == std::vector{2, 0, 0, 0});
  CHECK(seen(ring, t0 + 1s) == std::vector{2, 0, 0, 0});
}

TEST_CASE("another span keeps what is counted, each where it was") {
  Ring ring(1s);
  for (int i = 1; i <= 4; ++i) ring.at(t0 + i * 1s) += i;
  SECTION("longer") {
    ring.set_span(2s);
    CHECK(seen(ring, t0 + 4s) == std::vector{4, 5, 1, 0});
  }
  SECTION("shorter") {
    ring.set_span(500ms);
    CHECK(seen(ring, t0 + 4s) == std::vector{4, 0, 3, 0});
  }
  SECTION("the same") {
    ring.set_span(1s);
    CHECK(seen(ring, t0 + 4s) == std::vector{4, 3, 2, 1});
  }
}

TEST_CASE("a span of nothing is a nanosecond, and the clock's beginning a time like others") {
  BucketRing<int, 4> ring(0ns);
  ring.at(TimePoint{}) += 1;
  ring.set_span(1s);
  CHECK(seen(ring, TimePoint{}) == std::vector{1, 0, 0, 0});
  ring.clear();
  CHECK(seen(ring, TimePoint{}) == std::vector{0, 0, 0, 0});
}

}  // namespace outrigger::policy
