#include "proxy/policy/slot_tree.h"

#include "tests/support/catch.h"

namespace outrigger::policy {

TEST_CASE("every point of the weights falls into the slot that covers it") {
  WeightTree tree;
  tree.grow(5);
  const std::vector<std::uint64_t> weights{3, 0, 1, 4, 2};
  for (std::uint32_t slot = 0; slot < weights.size(); ++slot) tree.set(slot, weights[slot]);
  REQUIRE(tree.whole() == 10);

  std::uint64_t point = 0;
  std::uint64_t start = 0;
  for (std::uint32_t slot = 0; slot < weights.size(); ++slot) {
    CHECK(tree.before(slot) == start);
    for (std::uint64_t i = 0; i < weights[slot]; ++i, ++point) CHECK(tree.find(point) == slot);
    start += weights[slot];
  }
}

TEST_CASE("a tree keeps its values when it grows") {
  WeightTree tree;
  CHECK(tree.whole() == 0);
  for (std::uint32_t slot = 0; slot < 20; ++slot) {
    tree.grow(slot + 1);
    tree.set(slot, slot);
  }
  CHECK(tree.whole() == 190);
  for (std::uint32_t slot = 0; slot < 20; ++slot) CHECK(tree.at(slot) == slot);
}

TEST_CASE("the earliest turn is first, of two at once the lower slot's") {
  TurnTree tree;
  tree.grow(4);
  CHECK_FALSE(tree.whole().taken);
  tree.set(3, {.due = 5, .slot = 3, .taken = true});
  tree.set(1, {.due = 7, .slot = 1, .taken = true});
  CHECK(tree.whole().slot == 3);
  tree.set(2, {.due = 5, .slot = 2, .taken = true});
  CHECK(tree.whole().slot == 2);
  tree.set(2, {});
  tree.set(3, {});
  CHECK(tree.whole().slot == 1);
}

TEST_CASE("turns keep their order where the clock overflows") {
  TurnTree tree;
  tree.grow(2);
  tree.set(0, {.due = 3, .slot = 0, .taken = true});
  tree.set(1, {.due = std::uint64_t{0} - 3, .slot = 1, .taken = true});
  CHECK(tree.whole().slot == 1);
}

}  // namespace outrigger::policy
