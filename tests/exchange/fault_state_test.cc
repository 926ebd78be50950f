#include "proxy/exchange/fault_state.h"

#include "tests/support/catch.h"

namespace outrigger::exchange {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t t0 = 1'800'000'000;

config::Fault fault_of(int status, std::optional<std::int64_t> until = {}) {
  config::Fault fault{.abort = config::FaultAbort{.percent = 100, .status = status}};
  if (until) fault.until = std::chrono::sys_seconds(std::chrono::seconds(*until));
  return fault;
}

int status_at(const FaultState& state, std::int64_t now) {
  const auto current = state.current(now);
  return current ? current->settings().abort->status : 0;
}

TEST_CASE("a fault of run time stands in for the configured one until it is over") {
  FaultState state;
  CHECK_FALSE(state.any());
  state.configure(fault_of(500));
  state.set_at_run_time(fault_of(503, t0 + 10));
  CHECK(state.any());
  CHECK(status_at(state, t0 + 9) == 503);
  CHECK(state.current(t0)->at_run_time());
  CHECK(status_at(state, t0 + 10) == 500);

  REQUIRE(state.at_run_time());
  CHECK(state.at_run_time()->settings().abort->status == 503);
  CHECK(state.remove_at_run_time());
  CHECK_FALSE(state.at_run_time());
  CHECK(status_at(state, t0) == 500);
  CHECK_FALSE(state.current(t0)->at_run_time());
}

TEST_CASE("removing takes away the fault of run time only") {
  FaultState state;
  state.configure(fault_of(500));
  CHECK_FALSE(state.remove_at_run_time());
  CHECK(status_at(state, t0) == 500);
  state.set_at_run_time(fault_of(503, t0 + 10));
  CHECK(state.remove_at_run_time());
  CHECK(status_at(state, t0) == 500);
}

TEST_CASE("a reload keeps the fault of run time") {
  FaultState state;
  state.set_at_run_time(fault_of(503, t0 + 10));
  state.configure(std::nullopt);
  CHECK(status_at(state, t0) == 503);
  CHECK(state.remove_at_run_time());
  CHECK_FALSE(state.any());
}

TEST_CASE("a configured fault ends at its until") {
  FaultState state;
  state.configure(fault_of(500, t0));
  CHECK(status_at(state, t0 - 1) == 500);
  CHECK(state.current(t0) == nullptr);
}

class OneHeader final : public HeaderLookup {
 public:
  bool any(std::string_view name, const Predicate& matches) const override {
    return name == "x-chaos" && matches("yes");
  }
};

TEST_CASE("a fault is for requests that meet all its headers") {
  using Kind = config::HeaderMatch::Kind;
  config::Fault fault = fault_of(500);
  CHECK(ActiveFault(fault, false).is_for(OneHeader()));
  fault.headers = {{"x-chaos", Kind::Value, "yes"}};
  CHECK(ActiveFault(fault, false).is_for(OneHeader()));
  fault.headers.push_back({"x-other", Kind::Present, ""});
  CHECK_FALSE(ActiveFault(fault, false).is_for(OneHeader()));
}

}  // namespace
}  // namespace outrigger::exchange
