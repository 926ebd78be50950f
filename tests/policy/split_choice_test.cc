#include "proxy/policy/split_choice.h"

#include <cmath>

#include "proxy/base/random.h"
#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

std::vector<config::SplitTarget> weights(std::initializer_list<std::uint32_t> list) {
  std::vector<config::SplitTarget> targets;
  for (const auto weight : list) targets.push_back({.upstream = "u", .weight = weight});
  return targets;
}

// Counts by target of n choices.
template <class Pick>
std::vector<int> counts(std::size_t targets, int n, const Pick& pick) {
  std::vector<int> counted(targets);
  for (int i = 0; i < n; ++i) ++counted.at(pick(i));
  return counted;
}

// Within five standard deviations of the binomial: one run in 1.7 million fails by chance, and the
// seed is fixed.
void check_share(int count, int n, double share) {
  const double expected = n * share;
  CHECK(std::abs(count - expected) <= 5 * std::sqrt(n * share * (1 - share)));
}

TEST_CASE("each target gets its share of random draws") {
  const SplitChoice choice(weights({95, 5}));
  Random random(1);
  const int n = 100'000;
  const auto counted = counts(2, n, [&](int) { return choice.pick(random.next()); });
  check_share(counted[0], n, 0.95);
  check_share(counted[1], n, 0.05);
}

TEST_CASE("a target of weight 0 gets nothing, wherever it stands") {
  Random random(2);
  for (const auto& [list, zero] :
       {std::pair{weights({0, 1, 1}), 0}, std::pair{weights({1, 0, 1}), 1},
        std::pair{weights({1, 1, 0}), 2}}) {
    const SplitChoice choice(list);
    const auto counted = counts(3, 10'000, [&](int) { return choice.pick(random.next()); });
    CHECK(counted[static_cast<std::size_t>(zero)] == 0);
  }
}

TEST_CASE("the ends of the line belong to the first and the last") {
  const SplitChoice choice(weights({1'000'000, 1, 1'000'000}));
  CHECK(choice.pick(0) == 0);
  CHECK(choice.pick(UINT64_MAX) == 2);
  CHECK(SplitChoice(weights({1})).pick(UINT64_MAX) == 0);
}

TEST_CASE("hashes are spread by weight, and the same one always goes the same way") {
  const SplitChoice choice(weights({3, 1}));
  const int n = 100'000;
  // Hashes that fill only a part of the numbers, as those of one part of a ring do.
  const auto pick = [&](int i) { return choice.pick_for(static_cast<std::uint64_t>(i)); };
  const auto counted = counts(2, n, pick);
  check_share(counted[0], n, 0.75);
  for (int i = 0; i < 100; ++i) CHECK(pick(i) == pick(i));
}

TEST_CASE("a change of weights moves only those between the borders") {
  const SplitChoice before(weights({95, 5}));
  const SplitChoice after(weights({90, 10}));
  const int n = 100'000;
  int moved = 0;
  for (int i = 0; i < n; ++i) {
    const auto hash = static_cast<std::uint64_t>(i);
    if (before.pick_for(hash) == after.pick_for(hash)) continue;
    ++moved;
    CHECK(after.pick_for(hash) == 1);
  }
  check_share(moved, n, 0.05);
}

}  // namespace
}  // namespace outrigger::policy
