#include "proxy/policy/ring_hash.h"

#include <algorithm>
#include <cmath>

#include "tests/policy/hashed_keys.h"
#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

// An endpoint's stretch of the ring is the sum of as many exponential gaps as it has points, so
// that its standard deviation is 1/√points of it; keys add the binomial's. Five of the two.
bool is_share(double share, double expected, double points) {
  const double ring = expected / std::sqrt(points);
  const double keys = std::sqrt(expected * (1 - expected) / kKeys);
  return std::abs(share - expected) <= 5 * std::hypot(ring, keys);
}

}  // namespace

TEST_CASE("a ring gives equal endpoints about equal parts of the keys") {
  const auto slots = owners(RingHash(members_of(std::vector<std::uint32_t>(10, 1))));
  for (std::uint32_t slot = 0; slot < 10; ++slot) {
    CHECK(is_share(share_of(slots, slot), 0.1, RingHash::kPoints));
  }
}

TEST_CASE("a ring respects weights") {
  const auto slots = owners(RingHash(members_of({1, 2, 5})));
  CHECK(is_share(share_of(slots, 0), 1 / 8., RingHash::kPoints / 5.));
  CHECK(is_share(share_of(slots, 1), 2 / 8., RingHash::kPoints * 2 / 5.));
  CHECK(is_share(share_of(slots, 2), 5 / 8., RingHash::kPoints));
}

TEST_CASE("an endpoint that leaves a ring of ten moves its own keys and no other") {
  auto members = members_of(std::vector<std::uint32_t>(10, 1));
  const auto before = owners(RingHash(members));
  for (std::size_t gone = 0; gone < 10; ++gone) {
    auto left = members;
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(gone));
    const auto after = owners(RingHash(left));
    const double moved = share_moved(before, after);
    CHECK(moved == share_of(before, static_cast<std::uint32_t>(gone)));
    CHECK(moved <= 0.1 + 0.05);
  }
}

TEST_CASE("a ring does not depend on the order or the slots of its endpoints") {
  const auto members = members_of({1, 1, 2, 1});
  auto turned = members;
  std::ranges::reverse(turned);
  for (std::uint32_t i = 0; i < turned.size(); ++i) turned[i].slot = i;
  const RingHash one(members);
  const RingHash other(turned);
  const auto slots = owners(one);
  const auto turned_slots = owners(other);
  for (int i = 0; i < kKeys; ++i) {
    if (members[slots[i]].key == turned[turned_slots[i]].key) continue;
    FAIL("key " << i << " goes elsewhere");
  }
}

TEST_CASE("the end of a ring wraps around, and an empty one has no points") {
  const RingHash ring(members_of({1, 1}));
  CHECK(ring.position(UINT64_MAX) == 0);
  CHECK(ring.size() == 2 * RingHash::kPoints);
  CHECK(RingHash({}).size() == 0);
}

}  // namespace outrigger::policy
