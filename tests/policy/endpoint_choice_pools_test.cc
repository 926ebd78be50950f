// Panic, priorities, zones, slow start and hashes of EndpointChoice; the policies by themselves are
// in endpoint_choice_test.cc.

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "proxy/policy/endpoint_choice.h"
#include "proxy/policy/stable_hash.h"
#include "tests/policy/hashed_keys.h"
#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;
using Policy = config::LoadBalancerPolicy;

const TimePoint t0{1h};
constexpr int kDraws = 50000;
const auto kPolicies = {Policy::P2cEwma, Policy::LeastRequest, Policy::RoundRobin,
                        Policy::Random,  Policy::RingHash,     Policy::Maglev};

struct Standing {
  std::uint32_t priority = 0;
  bool own_zone = false;
  std::uint32_t weight = 1;
};

std::uint64_t key_of(std::uint32_t slot) {
  return StableHash::of("10.0.0." + std::to_string(slot) + ":8080");
}

void build(EndpointChoice& choice) {
  const auto plan = choice.hash_plan();
  REQUIRE(plan);
  auto tables = build_tables(*plan);
  choice.adopt(tables);
}

EndpointChoice make_choice(const config::LoadBalancer& settings,
                           const std::vector<Standing>& standings) {
  EndpointChoice choice(settings, Random{7});
  for (std::uint32_t slot = 0; slot < standings.size(); ++slot) {
    const auto& [priority, own_zone, weight] = standings[slot];
    choice.add(slot, weight, t0, {.priority = priority, .own_zone = own_zone, .key = key_of(slot)});
  }
  build(choice);
  return choice;
}

// Draws with as many different keys, or none where the policy needs none.
std::vector<int> count(EndpointChoice& choice, TimePoint now, int draws = kDraws) {
  std::vector<int> counts(16);
  for (int i = 0; i < draws; ++i) {
    const auto chosen = choice.choose(now, {}, false, key_hash(i));
    if (chosen) ++counts[*chosen];
  }
  return counts;
}

int sum(const std::vector<int>& counts, std::initializer_list<std::uint32_t> slots) {
  int all = 0;
  for (const auto slot : slots) all += counts[slot];
  return all;
}

// Five standard deviations of the binomial.
bool is_share(int count, double share, int draws = kDraws) {
  return std::abs(count - share * draws) <= 5 * std::sqrt(share * (1 - share) * draws) + 1e-9;
}

}  // namespace

// Priorities.

TEST_CASE("the second group takes over as fewer than 1/1.4 of the first are in service") {
  for (const Policy policy : kPolicies) {
    auto choice = make_choice({.policy = policy}, {{0}, {0}, {0}, {0}, {1}, {1}});
    CHECK(sum(count(choice, t0), {4, 5}) == 0);
    choice.set_in_service(0, false);  // 3 of 4: 1.05 of the traffic
    choice.set_selectable(0, false);
    CHECK(sum(count(choice, t0), {4, 5}) == 0);
    choice.set_in_service(1, false);  // 2 of 4: 0.7
    choice.set_selectable(1, false);
    const auto counts = count(choice, t0);
    CHECK(is_share(sum(counts, {4, 5}), 0.3));
    CHECK(sum(counts, {0, 1}) == 0);
    choice.set_healthy(2, false);  // 1 of 4: 0.35
    CHECK(is_share(sum(count(choice, t0), {4, 5}), 0.65));
    choice.set_healthy(3, false);
    CHECK(is_share(sum(count(choice, t0), {4, 5}), 1));
    for (const std::uint32_t slot : {0u, 1u}) {
      choice.set_in_service(slot, true);
      choice.set_selectable(slot, true);
      choice.set_healthy(slot + 2, true);
    }
    CHECK(sum(count(choice, t0), {4, 5}) == 0);
  }
}

TEST_CASE("an endpoint at its limit still counts for its group, and passes tries on") {
  auto choice = make_choice({.policy = Policy::Random}, {{0}, {0}, {1}});
  choice.set_selectable(0, false);
  CHECK(count(choice, t0)[1] == kDraws);
  choice.set_selectable(1, false);
  CHECK(count(choice, t0)[2] == kDraws);
}

TEST_CASE("a retry goes to the next group where its own has nothing untried") {
  auto choice = make_choice({}, {{0}, {1}});
  const std::uint32_t tried[] = {0};
  CHECK(choice.choose(t0, tried, false) == 1u);
  choice.set_selectable(1, false);
  CHECK(choice.choose(t0, tried, false) == 0u);
  CHECK_FALSE(choice.choose(t0, tried, true));
}

TEST_CASE("a priority that changes at a reload moves the endpoint") {
  auto choice = make_choice({}, {{0}, {0}});
  choice.set_place(1, {.priority = 3});
  CHECK(count(choice, t0, 100)[0] == 100);
  choice.set_place(0, {.priority = 5});
  CHECK(count(choice, t0, 100)[1] == 100);
  choice.remove(1);
  CHECK(count(choice, t0, 100)[0] == 100);
}

// Zones.

TEST_CASE("the own zone comes first and spills in proportion to what is healthy there") {
  for (const Policy policy : kPolicies) {
    auto choice = make_choice({.policy = policy, .zone_aware = config::ZoneAware{}},
                              {{0, true}, {0, true}, {0, true}, {0, true}, {0, false}, {0, false}});
    CHECK(sum(count(choice, t0), {4, 5}) == 0);
    choice.set_healthy(0, false);
    CHECK(is_share(sum(count(choice, t0), {4, 5}), 1 / 4.));
    choice.set_healthy(1, false);
    CHECK(is_share(sum(count(choice, t0), {4, 5}), 2 / 4.));
    choice.set_in_service(4, false);
    choice.set_selectable(4, false);
    choice.set_healthy(5, false);  // 2 of 6 pass: nothing is left elsewhere
    CHECK_FALSE(choice.panic());
    CHECK(sum(count(choice, t0), {2, 3}) == kDraws);
  }
}

TEST_CASE("zones are not looked at where the own one has fewer than min_endpoints") {
  auto choice = make_choice({.policy = Policy::Random, .zone_aware = config::ZoneAware{3}},
                            {{0, true}, {0, true}, {0, false}, {0, false}});
  CHECK(is_share(sum(count(choice, t0), {0, 1}), 0.5));
  choice.add(4, 1, t0, {.own_zone = true});
  CHECK(sum(count(choice, t0), {0, 1, 4}) == kDraws);
  choice.configure({.policy = Policy::Random});
  CHECK(is_share(sum(count(choice, t0), {0, 1, 4}), 3 / 5.));
}

TEST_CASE("zones are looked at within each priority") {
  auto choice = make_choice({.policy = Policy::Random, .zone_aware = config::ZoneAware{2}},
                            {{0, true}, {0, true}, {0, false}, {0, false}, {1, true}, {1, true}});
  CHECK(sum(count(choice, t0), {0, 1}) == kDraws);
  for (const std::uint32_t slot : {0u, 1u, 2u}) choice.set_healthy(slot, false);
  const auto counts = count(choice, t0);  // 1 of 4 in the first: 0.35, all of it in the other zone
  CHECK(is_share(counts[3], 0.35));
  CHECK(is_share(sum(counts, {4, 5}), 0.65));
}

// Panic.

TEST_CASE("health is ignored while fewer than the threshold pass their checks") {
  for (const Policy policy : kPolicies) {
    auto choice = make_choice({.policy = policy}, {{}, {}, {}, {}, {}, {}, {}, {}});
    for (const std::uint32_t slot : {0u, 1u, 2u, 3u, 4u, 5u}) choice.set_healthy(slot, false);
    CHECK_FALSE(choice.panic());  // 2 of 8 are 25 %: not fewer
    CHECK(sum(count(choice, t0), {6, 7}) == kDraws);
    choice.set_in_service(0, false);  // ejected
    choice.set_selectable(0, false);
    choice.set_healthy(6, false);
    CHECK(choice.panic());
    const auto counts = count(choice, t0);
    CHECK(counts[0] == 0);
    for (std::uint32_t slot = 1; slot < 8; ++slot) CHECK(counts[slot] > 0);
    CHECK(choice.healthy(1));
    choice.set_healthy(6, true);
    CHECK_FALSE(choice.panic());
    CHECK(sum(count(choice, t0), {6, 7}) == kDraws);
    CHECK_FALSE(choice.healthy(1));
  }
}

TEST_CASE("without a panic threshold nobody is chosen who fails") {
  auto choice = make_choice({.panic_threshold_percent = std::nullopt}, {{}, {}});
  choice.set_healthy(0, false);
  choice.set_healthy(1, false);
  CHECK_FALSE(choice.choose(t0, {}, false));
  choice.configure({});
  CHECK(choice.choose(t0, {}, false));
}

TEST_CASE("no panic while another group can take all the traffic") {
  auto choice = make_choice({}, {{0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}, {1}});
  for (std::uint32_t slot = 0; slot < 8; ++slot) choice.set_healthy(slot, false);
  CHECK_FALSE(choice.panic());  // 1 of 9, but it is all of its group
  CHECK(count(choice, t0, 100)[8] == 100);
  choice.set_healthy(8, false);
  CHECK(choice.panic());
  CHECK(count(choice, t0, 100)[8] == 0);
}

TEST_CASE("within one group only the share decides on panic") {
  auto choice = make_choice({.panic_threshold_percent = 90}, {{}, {}, {}, {}});
  choice.set_healthy(3, false);  // the three left could take it all
  CHECK(choice.panic());
  CHECK(count(choice, t0, 100)[3] > 0);
}

// Slow start.

TEST_CASE("a new endpoint's share grows from a tenth to the whole") {
  for (const Policy policy :
       {Policy::RoundRobin, Policy::Random, Policy::RingHash, Policy::Maglev}) {
    auto choice = make_choice({.policy = policy, .slow_start = 10s}, {{}, {}, {}});
    CHECK(count(choice, t0, 300)[0] > 0);
    const TimePoint t1 = t0 + 1h;
    choice.add(3, 1, t1, {.key = key_of(3)});
    build(choice);
    // What it has of the keys once it is warm, by the table or as one of four.
    choice.choose(t1 + 10s, {}, false);
    const double whole = count(choice, t1 + 10s)[3] / double{kDraws};
    CHECK(choice.weight(3) == 1);

    choice.remove(3);
    const TimePoint t2 = t0 + 2h;
    choice.add(3, 1, t2, {.key = key_of(3)});
    build(choice);
    const bool hashed = policy == Policy::RingHash || policy == Policy::Maglev;
    for (const auto& [after, part] :
         {std::pair{0s, 0.1}, std::pair{5s, 0.55}, std::pair{9s, 0.91}}) {
      const double share = hashed ? whole * part : part / (3 + part);
      CHECK(is_share(count(choice, t2 + after)[3], share));
      CHECK(choice.weight(3) == Approx(part).margin(0.001));
    }
  }
}

TEST_CASE("p2c and least_request draw a new endpoint by its part, too") {
  for (const Policy policy : {Policy::P2cEwma, Policy::LeastRequest}) {
    auto choice = make_choice({.policy = policy, .slow_start = 10s}, {{}, {}, {}});
    CHECK(choice.choose(t0, {}, false));
    choice.add(3, 1, t0 + 1h, {.key = key_of(3)});
    // The first drawn of two stays where they are alike, drawn in proportion to 1, 1, 1, 0.1.
    CHECK(is_share(count(choice, t0 + 1h)[3], 0.1 / 3.1));
    CHECK(is_share(count(choice, t0 + 1h + 10s)[3], 1 / 4.));
  }
}

TEST_CASE("an endpoint back from an ejection or from failed checks starts slowly") {
  auto choice = make_choice({.policy = Policy::Random, .slow_start = 10s}, {{}, {}, {}});
  CHECK(choice.choose(t0, {}, false));
  choice.set_in_service(0, false);
  choice.set_in_service(0, true);
  choice.set_healthy(1, false);
  choice.set_healthy(1, true);
  const auto counts = count(choice, t0 + 1s);
  CHECK(is_share(counts[0], 0.1 / 1.2));
  CHECK(is_share(counts[1], 0.1 / 1.2));
  CHECK(is_share(count(choice, t0 + 6s)[0], 0.55 / 2.1));
  CHECK(is_share(count(choice, t0 + 11s)[0], 1 / 3.));
}

TEST_CASE("nobody starts slowly where all are new") {
  auto choice = make_choice({.policy = Policy::Random, .slow_start = 10s}, {{}, {}, {}});
  CHECK(is_share(count(choice, t0)[0], 1 / 3.));
  CHECK(choice.weight(0) == 1);
  // All replaced at once, as by a rollout.
  for (std::uint32_t slot = 0; slot < 3; ++slot) choice.remove(slot);
  for (std::uint32_t slot = 0; slot < 2; ++slot) choice.add(slot, 1, t0 + 1h);
  CHECK(is_share(count(choice, t0 + 1h)[0], 1 / 2.));
  CHECK(choice.weight(0) == 1);
}

TEST_CASE("slow start's weights are refreshed every so often, not per request") {
  auto choice = make_choice({.policy = Policy::Random, .slow_start = 10s}, {{}, {}});
  CHECK(choice.choose(t0, {}, false));
  choice.add(2, 1, t0 + 1h);
  choice.choose(t0 + 1h, {}, false);
  choice.choose(t0 + 1h + kWarmthRefresh / 2, {}, false);
  CHECK(choice.weight(2) == Approx(0.1).margin(0.001));
  choice.choose(t0 + 1h + kWarmthRefresh, {}, false);
  CHECK(choice.weight(2) > 0.105);
}

// Hashes.

TEST_CASE("a key keeps its endpoint, and only a lost endpoint's keys move") {
  for (const Policy policy : {Policy::RingHash, Policy::Maglev}) {
    auto choice = make_choice({.policy = policy}, std::vector<Standing>(10));
    std::vector<std::uint32_t> before;
    for (int i = 0; i < kDraws; ++i) before.push_back(*choice.choose(t0, {}, false, key_hash(i)));
    choice.set_selectable(4, false);
    std::set<std::uint32_t> takers;
    for (int i = 0; i < kDraws; ++i) {
      const auto now = *choice.choose(t0, {}, false, key_hash(i));
      if (before[i] == 4) {
        CHECK(now != 4);
        takers.insert(now);
      } else if (now != before[i]) {
        FAIL("key " << i << " moved without need");
      }
    }
    CHECK(takers.size() == 9);  // not all to one neighbour
  }
}

TEST_CASE("a retry's next endpoint follows from the key") {
  for (const Policy policy : {Policy::RingHash, Policy::Maglev}) {
    auto choice = make_choice({.policy = policy}, std::vector<Standing>(5));
    for (int i = 0; i < 100; ++i) {
      const std::uint32_t first[] = {*choice.choose(t0, {}, false, key_hash(i))};
      const auto second = choice.choose(t0, first, true, key_hash(i));
      REQUIRE(second);
      CHECK(*second != first[0]);
      CHECK(choice.choose(t0, first, true, key_hash(i)) == second);
    }
  }
}

TEST_CASE("a request without a key is hashed at random") {
  for (const Policy policy : {Policy::RingHash, Policy::Maglev}) {
    auto choice = make_choice({.policy = policy}, std::vector<Standing>(4));
    std::set<std::uint32_t> seen;
    for (int i = 0; i < 1000; ++i) seen.insert(*choice.choose(t0, {}, false));
    CHECK(seen.size() == 4);
  }
}

TEST_CASE("keys find the last usable endpoint of many, and none where there is none") {
  for (const Policy policy : {Policy::RingHash, Policy::Maglev}) {
    auto choice = make_choice({.policy = policy}, std::vector<Standing>(1024));
    for (std::uint32_t slot = 0; slot < 1023; ++slot) choice.set_selectable(slot, false);
    for (int i = 0; i < 100; ++i) CHECK(choice.choose(t0, {}, false, key_hash(i)) == 1023u);
    choice.set_selectable(1023, false);
    CHECK_FALSE(choice.choose(t0, {}, false, key_hash(0)));
  }
}

TEST_CASE("before its table is built a hash still has an endpoint") {
  EndpointChoice choice({.policy = Policy::Maglev}, Random{7});
  for (std::uint32_t slot = 0; slot < 3; ++slot) choice.add(slot, 1, t0);
  const auto first = choice.choose(t0, {}, false, key_hash(1));
  CHECK(first);
  CHECK(choice.choose(t0, {}, false, key_hash(1)) == first);
}

TEST_CASE("tables are planned anew when the set, a weight or the policy changes, else not") {
  auto choice = make_choice({.policy = Policy::RingHash}, {{}, {}});
  CHECK_FALSE(choice.hash_plan());
  choice.set_selectable(0, false);
  choice.set_healthy(1, false);
  CHECK_FALSE(choice.hash_plan());
  choice.set_weight(0, 3);
  build(choice);
  choice.add(2, 1, t0);
  build(choice);
  choice.remove(2);
  build(choice);
  choice.configure({.policy = Policy::Maglev});
  build(choice);
  CHECK_FALSE(choice.hash_plan());
}

TEST_CASE("choosing with all of it configured allocates nothing") {
  for (const Policy policy : kPolicies) {
    auto choice =
        make_choice({.policy = policy, .slow_start = 10s, .zone_aware = config::ZoneAware{1}},
                    {{0, true}, {0, false}, {1, true}, {1, false}});
    count(choice, t0, 100);
    const auto before = test::allocations();
    choice.set_in_service(0, false);
    choice.set_in_service(0, true);
    for (int i = 0; i < 1000; ++i) {
      choice.choose(t0 + i * 10ms, {}, false, StableHash::of(std::uint64_t(i), 1));
    }
    CHECK(test::allocations() == before);
  }
}

}  // namespace outrigger::policy
