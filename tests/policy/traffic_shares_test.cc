#include "proxy/policy/traffic_shares.h"

#include <vector>

#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

std::vector<double> shares_of(std::vector<GroupHealth> groups) {
  std::vector<double> shares(groups.size());
  share_by_priority(groups, shares);
  return shares;
}

}  // namespace

// By hand: what each group can take is min(1, 1.4 × healthy / endpoints), in brackets.
TEST_CASE("priority groups share the traffic by what is healthy in each") {
  struct Case {
    std::vector<GroupHealth> groups;
    std::vector<double> shares;
  };
  const std::vector<Case> cases = {
      {{{10, 10}}, {1}},
      {{{1, 10}}, {1}},                             // [.14] alone: all of what there is
      {{{10, 10}, {10, 10}}, {1, 0}},               // [1] [1]
      {{{8, 10}, {10, 10}}, {1, 0}},                // [1.12 → 1]: more than 1/1.4 are healthy
      {{{7, 10}, {10, 10}}, {.98, .02}},            // [.98]
      {{{5, 10}, {10, 10}}, {.7, .3}},              // [.7]
      {{{1, 10}, {10, 10}}, {.14, .86}},            // [.14]
      {{{0, 10}, {10, 10}}, {0, 1}},                //
      {{{5, 10}, {2, 10}}, {.7 / .98, .28 / .98}},  // [.7] [.28]: .98 of the traffic between them
      {{{1, 4}, {0, 4}}, {1, 0}},                   // [.35] [0]
      {{{2, 8}, {2, 8}, {8, 8}}, {.35, .35, .3}},   // [.35] [.35] [1]
      {{{3, 4}, {1, 4}, {1, 4}}, {1, 0, 0}},        // [1.05 → 1]
      {{{0, 3}, {0, 3}}, {0, 0}},                   // nobody is healthy
      {{{0, 0}, {3, 3}}, {0, 1}},                   // an empty group takes nothing
  };
  for (const Case& each : cases) {
    const auto shares = shares_of(each.groups);
    for (std::size_t i = 0; i < shares.size(); ++i) {
      CHECK(shares[i] == Approx(each.shares[i]).margin(1e-12));
    }
  }
}

TEST_CASE("the own zone gets as much of the traffic as is healthy of it") {
  CHECK(own_zone_share({3, 3}, {6, 6}) == 1);
  CHECK(own_zone_share({2, 3}, {6, 6}) == Approx(2 / 3.));
  CHECK(own_zone_share({1, 4}, {1, 6}) == Approx(1 / 4.));
  CHECK(own_zone_share({0, 3}, {6, 6}) == 0);
  CHECK(own_zone_share({1, 3}, {0, 6}) == 1);  // nobody to spill to
  CHECK(own_zone_share({0, 3}, {0, 6}) == 0);
}

}  // namespace outrigger::policy
