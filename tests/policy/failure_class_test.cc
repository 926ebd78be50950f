#include "proxy/policy/failure_class.h"

#include "tests/support/catch.h"

namespace outrigger::policy {

TEST_CASE("statuses count against an endpoint as their class says") {
  struct Case {
    int status;
    FailureClass expected;
  };
  const auto test =
      GENERATE(Case{200, FailureClass::Success}, Case{101, FailureClass::Success},
               Case{304, FailureClass::Success}, Case{404, FailureClass::Success},
               Case{425, FailureClass::Success}, Case{429, FailureClass::Unremarkable},
               Case{500, FailureClass::OtherError}, Case{501, FailureClass::Unremarkable},
               Case{502, FailureClass::GatewayError}, Case{503, FailureClass::GatewayError},
               Case{504, FailureClass::GatewayError}, Case{505, FailureClass::Unremarkable},
               Case{507, FailureClass::OtherError}, Case{599, FailureClass::OtherError});
  INFO(test.status);
  CHECK(failure_class({.status = test.status}) == test.expected);
  CHECK(failure_class({.status = test.status, .refused_elsewhere = true}) ==
        FailureClass::Unremarkable);
  CHECK(failure_class({.status = test.status, .refused_for_good = true}) ==
        FailureClass::Unremarkable);
}

TEST_CASE("a try without a response counts as local, but for what is not the endpoint's doing") {
  using enum TryOutcome;
  for (const auto outcome : {ConnectRefused, ConnectTimeout, ResetBeforeRequest, Reset, BadResponse,
                             PerTryTimeout, RequestTimeout}) {
    CHECK(failure_class({.outcome = outcome}) == FailureClass::LocalOrigin);
  }
  CHECK(failure_class({.outcome = StaleConnection}) == FailureClass::None);
  CHECK(failure_class({.outcome = Abandoned}) == FailureClass::None);
}

}  // namespace outrigger::policy
