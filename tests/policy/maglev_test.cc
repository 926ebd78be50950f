#include "proxy/policy/maglev.h"

#include <algorithm>
#include <cmath>

#include "tests/policy/hashed_keys.h"
#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

// The table's parts are exact to a few entries; what is left is the binomial of the keys, and of
// as many entries as a part has (keys share entries). Five standard deviations of the two.
bool is_share(double share, double expected) {
  const double keys = expected * (1 - expected) / kKeys;
  const double entries = expected * (1 - expected) / static_cast<double>(Maglev::kEntries);
  return std::abs(share - expected) <= 5 * std::sqrt(keys + entries);
}

}  // namespace

TEST_CASE("Maglev gives equal endpoints equal parts of its table") {
  const Maglev table(members_of(std::vector<std::uint32_t>(10, 1)));
  std::vector<int> entries(10);
  for (std::size_t i = 0; i < table.size(); ++i) ++entries[table.slot_at(i)];
  for (const int count : entries) CHECK((count == 6553 || count == 6554));  // 65537 / 10
  const auto slots = owners(table);
  for (std::uint32_t slot = 0; slot < 10; ++slot) CHECK(is_share(share_of(slots, slot), 0.1));
}

TEST_CASE("Maglev respects weights") {
  const auto slots = owners(Maglev(members_of({1, 2, 5})));
  CHECK(is_share(share_of(slots, 0), 1 / 8.));
  CHECK(is_share(share_of(slots, 1), 2 / 8.));
  CHECK(is_share(share_of(slots, 2), 5 / 8.));
}

TEST_CASE("an endpoint that leaves a Maglev table of ten moves little more than its keys") {
  auto members = members_of(std::vector<std::uint32_t>(10, 1));
  const auto before = owners(Maglev(members));
  for (std::size_t gone = 0; gone < 10; ++gone) {
    auto left = members;
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(gone));
    const auto after = owners(Maglev(left));
    CHECK(share_moved(before, after) <= 0.1 + 0.05);
    CHECK(share_of(after, static_cast<std::uint32_t>(gone)) == 0);
  }
}

TEST_CASE("a Maglev table does not depend on the order or the slots of its endpoints") {
  const auto members = members_of({1, 1, 2, 1});
  auto turned = members;
  std::ranges::reverse(turned);
  for (std::uint32_t i = 0; i < turned.size(); ++i) turned[i].slot = i;
  const Maglev one(members);
  const Maglev other(turned);
  for (std::size_t i = 0; i < one.size(); ++i) {
    if (members[one.slot_at(i)].key == turned[other.slot_at(i)].key) continue;
    FAIL("entry " << i << " differs");
  }
}

TEST_CASE("a Maglev table holds the largest upstream, and nothing without endpoints") {
  const Maglev table(members_of(std::vector<std::uint32_t>(1024, 1)));
  std::vector<int> entries(1024);
  for (std::size_t i = 0; i < table.size(); ++i) ++entries[table.slot_at(i)];
  CHECK(std::ranges::min(entries) == 64);
  CHECK(std::ranges::max(entries) == 65);
  CHECK(Maglev({}).size() == 0);
}

}  // namespace outrigger::policy
