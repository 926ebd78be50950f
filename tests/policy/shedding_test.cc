#include "proxy/policy/shedding.h"

#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;
using config::Criticality;

const config::Overload bounds{
    .max_connections = 100, .max_buffered_bytes = 1000, .max_loop_lag = 100ms};

struct Row {
  Load load;
  Shedding sheddable, normal, critical;
};

}  // namespace

TEST_CASE("sheddable goes at a bound, normal at twice the bound, critical last") {
  using enum Shedding;
  const Row rows[] = {
      {{.connections = 99, .buffered_bytes = 999, .loop_lag = 99ms}, Admit, Admit, Admit},
      {{.connections = 100}, Shed, Admit, Admit},
      {{.connections = 199}, Shed, Admit, Admit},
      {{.connections = 200}, Shed, Shed, Admit},
      {{.buffered_bytes = 1000}, Shed, Admit, Admit},
      {{.buffered_bytes = 2000}, Shed, Shed, Admit},
      {{.buffered_bytes = 2999}, Shed, Shed, Admit},
      {{.buffered_bytes = 3000}, Full, Full, Full},
      {{.loop_lag = 100ms}, Shed, Admit, Admit},
      {{.loop_lag = 200ms}, Shed, Shed, Admit},
      {{.loop_lag = 1h}, Shed, Shed, Admit},
  };
  for (const Row& row : rows) {
    CHECK(shed(Criticality::Sheddable, row.load, bounds) == row.sheddable);
    CHECK(shed(Criticality::Normal, row.load, bounds) == row.normal);
    CHECK(shed(Criticality::Critical, row.load, bounds) == row.critical);
  }
}

TEST_CASE("a bound that is off sheds nobody") {
  const config::Overload off{
      .max_connections = 100, .max_buffered_bytes = std::nullopt, .max_loop_lag = std::nullopt};
  const Load load{.connections = 1, .buffered_bytes = UINT64_MAX, .loop_lag = 24h};
  CHECK(shed(Criticality::Sheddable, load, off) == Shedding::Admit);
}

}  // namespace outrigger::policy
