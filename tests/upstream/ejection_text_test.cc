#include "proxy/upstream/ejection_text.h"

#include "tests/support/catch.h"

namespace outrigger::upstream {

using policy::Detector;

TEST_CASE("an ejection is told with its detector and numbers") {
  CHECK(ejection_text(Detector::ConsecutiveGatewayErrors, {.own = 5}) ==
        "consecutive-gateway-errors: 5 in a row");
  CHECK(ejection_text(Detector::SuccessRate,
                      {.own = 41, .others = 80, .deviation = 20, .bound = 42, .tries = 100}) ==
        "success-rate: 41.0 % of 100 tries succeeded, of the others' 80.0 % with a standard "
        "deviation of 20.0, so that the bound was 42.0 %");
  CHECK(ejection_text(Detector::FailurePercentage, {.own = 90, .bound = 85, .tries = 50}) ==
        "failure-percentage: 90.0 % of 50 tries failed, the bound was 85.0 %");
  CHECK(ejection_text(Detector::Latency,
                      {.own = 0.451, .others = 0.15, .bound = 0.45, .tries = 50}) ==
        "latency: the p95 of 50 tries was 451.0 ms, the others' median 150.0 ms, so that the bound "
        "was 450.0 ms");
  CHECK(ejection_text(Detector::Probation, {}) == "probation: its try on probation failed");
}

}  // namespace outrigger::upstream
