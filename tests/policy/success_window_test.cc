#include "proxy/policy/success_window.h"

#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;

const TimePoint t0{1h};

void expect(const SuccessWindow& window, TimePoint now, std::uint32_t good, std::uint32_t bad) {
  const auto totals = window.totals(now);
  CHECK(totals.successes == good);
  CHECK(totals.failures == bad);
  CHECK(totals.count() == good + bad);
}

}  // namespace

TEST_CASE("a window counts what happened within its length, a tenth at a time") {
  SuccessWindow window(10s);
  window.add(t0, true);
  window.add(t0 + 900ms, false);
  window.add(t0 + 5s, false);
  expect(window, t0 + 5s, 1, 2);
  expect(window, t0 + 9999ms, 1, 2);
  expect(window, t0 + 10s, 0, 1);
  expect(window, t0 + 14999ms, 0, 1);
  expect(window, t0 + 15s, 0, 0);
}

TEST_CASE("a window that was idle for long begins with nothing") {
  SuccessWindow window(10s);
  for (int i = 0; i < 10; ++i) window.add(t0 + i * 1s, false);
  window.add(t0 + 24h, true);
  expect(window, t0 + 24h, 1, 0);
}

TEST_CASE("a cleared window is empty and counts on") {
  SuccessWindow window(10s);
  window.add(t0, false);
  window.clear();
  expect(window, t0, 0, 0);
  window.add(t0, true);
  expect(window, t0, 1, 0);
}

TEST_CASE("a window of another length keeps what it holds") {
  SuccessWindow window(10s);
  for (int i = 0; i < 10; ++i) window.add(t0 + i * 1s, i % 2 == 0);
  window.set_length(20s);
  expect(window, t0 + 9s, 5, 5);
  window.set_length(2s);
  expect(window, t0 + 9s, 1, 1);  // of the last two seconds, as far as buckets of 2 s can tell
}

TEST_CASE("counting allocates nothing") {
  SuccessWindow window(10s);
  const auto before = test::allocations();
  for (int i = 0; i < 1000; ++i) {
    window.add(t0 + i * 77ms, i % 3 == 0);
    if (window.totals(t0 + i * 77ms).count() == 0) FAIL();
  }
  CHECK(test::allocations() == before);
}

}  // namespace outrigger::policy
