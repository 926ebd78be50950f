#include "proxy/metrics/cells.h"

#include <map>

#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::metrics {
namespace {

using namespace std::chrono_literals;

std::size_t bucket_of(Duration value) {
  HistogramCells cells;
  cells.observe(value);
  exchange::HistogramLive sum;
  cells.add_to(sum);
  for (std::size_t i = 0; i < sum.buckets.size(); ++i) {
    if (sum.buckets[i] == 1) return i;
  }
  return SIZE_MAX;
}

std::map<int, std::int64_t> counted(const CodeCells& cells) {
  std::map<int, std::int64_t> all;
  cells.for_each([&](int code, std::int64_t count) { all[code] = count; });
  return all;
}

TEST_CASE("a value on a bound belongs to the bucket that ends there") {
  constexpr Duration kBounds[] = {500us, 1ms, 2500us, 5ms, 10ms, 25ms, 50ms, 100ms, 250ms,
                                  500ms, 1s,  2500ms, 5s,  10s,  15s,  30s,  60s};
  static_assert(std::size(kBounds) == exchange::kBucketCount - 1);
  CHECK(bucket_of(0ns) == 0);
  for (std::size_t i = 0; i < std::size(kBounds); ++i) {
    CAPTURE(i);
    CHECK(bucket_of(kBounds[i] - 1ns) == i);
    CHECK(bucket_of(kBounds[i]) == i);
    CHECK(bucket_of(kBounds[i] + 1ns) == i + 1);
  }
  CHECK(bucket_of(24h) == exchange::kBucketCount - 1);
}

TEST_CASE("a histogram's sum is in seconds") {
  HistogramCells cells;
  cells.observe(250ms);
  cells.observe(2s);
  exchange::HistogramLive sum;
  cells.add_to(sum);
  CHECK(sum.sum == Approx(2.25));
}

TEST_CASE("codes are counted each for itself") {
  CodeCells cells;
  cells.add(200);
  cells.add(200);
  cells.add(299);
  cells.add(100);
  cells.add(599);
  CHECK(counted(cells) == std::map<int, std::int64_t>{{100, 1}, {200, 2}, {299, 1}, {599, 1}});
}

TEST_CASE("a code that is none is dropped and harms nothing") {
  CodeCells cells;
  for (const int code : {-1, -100, 600, 1000, INT32_MAX, INT32_MIN}) cells.add(code);
  CHECK(counted(cells).empty());
}

TEST_CASE("only the first code of its hundred allocates") {
  CodeCells cells;
  cells.add(200);
  const auto before = test::allocations();
  for (int code = 200; code < 300; ++code) cells.add(code);
  CHECK(test::allocations() == before);
  CHECK(counted(cells).size() == 100);
}

}  // namespace
}  // namespace outrigger::metrics
