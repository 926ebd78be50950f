#include "proxy/policy/slow_start.h"

#include "tests/support/catch.h"

namespace outrigger::policy {

TEST_CASE("slow start grows in a straight line from a tenth to the whole") {
  using namespace std::chrono_literals;
  CHECK(slow_start_factor(0s, 30s) == Approx(0.1));
  CHECK(slow_start_factor(10s, 30s) == Approx(0.4));
  CHECK(slow_start_factor(20s, 30s) == Approx(0.7));
  CHECK(slow_start_factor(30s, 30s) == 1);
  CHECK(slow_start_factor(31s, 30s) == 1);
  CHECK(slow_start_factor(-1s, 30s) == Approx(0.1));
}

}  // namespace outrigger::policy
