#include "proxy/policy/endpoint_choice.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;
using Policy = config::LoadBalancerPolicy;

const TimePoint t0{1h};
constexpr int kDraws = 100000;

EndpointChoice make_choice(Policy policy, std::initializer_list<std::uint32_t> weights) {
  EndpointChoice choice({.policy = policy}, Random{7});
  std::uint32_t slot = 0;
  for (const auto weight : weights) choice.add(slot++, weight, t0);
  return choice;
}

std::vector<int> count_choices(EndpointChoice& choice, TimePoint now, int draws = kDraws,
                               std::vector<std::uint32_t> avoid = {}) {
  std::vector<int> counts(16);
  for (int i = 0; i < draws; ++i) ++counts.at(choice.choose(now, avoid, false).value());
  return counts;
}

// Five standard deviations of a binomial: a right balancer fails one such check in 1.7 million.
bool is_share(int count, double share, int draws = kDraws) {
  return std::abs(count - share * draws) <= 5 * std::sqrt(share * (1 - share) * draws);
}

void sample(EndpointChoice& choice, std::uint32_t slot, TimePoint now, Duration time,
            bool failed = false) {
  choice.on_start(slot, now);
  choice.on_end(slot, now, time, failed, true);
}

std::string sequence(EndpointChoice& choice, int length, std::vector<std::uint32_t> avoid = {}) {
  std::string letters;
  for (int i = 0; i < length; ++i) {
    letters += static_cast<char>('a' + choice.choose(t0, avoid, false).value());
  }
  return letters;
}

const auto kAllPolicies = {Policy::P2cEwma, Policy::LeastRequest, Policy::RoundRobin,
                           Policy::Random};

TEST_CASE("an endpoint that came back from an ejection is not starved by its old failures") {
  EndpointChoice choice({.policy = config::LoadBalancerPolicy::P2cEwma}, Random(1));
  TimePoint now{1000s};
  for (std::uint32_t slot = 0; slot < 3; ++slot) choice.add(slot, 1, now);
  for (int i = 0; i < 300; ++i) {
    const std::uint32_t slot = static_cast<std::uint32_t>(i) % 3;
    choice.on_start(slot, now);
    choice.on_end(slot, now, 2ms, slot == 0, true);
    now += 1ms;
  }
  const auto share_of_first = [&] {
    int chosen = 0;
    for (int i = 0; i < 300; ++i) chosen += choice.choose(now, {}, false) == 0u ? 1 : 0;
    return chosen;
  };
  CHECK(share_of_first() == 0);
  choice.forget_latency(0);
  CHECK(share_of_first() > 50);
}

}  // namespace

// What holds for every policy.

TEST_CASE("equal endpoints get equal shares under every policy") {
  for (const auto policy : kAllPolicies) {
    auto choice = make_choice(policy, {1, 1, 1, 1});
    const auto counts = count_choices(choice, t0);
    for (int slot = 0; slot < 4; ++slot) CHECK(is_share(counts[slot], 0.25));
  }
}

TEST_CASE("idle endpoints of equal latency get shares by weight under every policy") {
  for (const auto policy : kAllPolicies) {
    auto choice = make_choice(policy, {1, 3});
    const auto counts = count_choices(choice, t0);
    CHECK(is_share(counts[0], 0.25));
    CHECK(is_share(counts[1], 0.75));
  }
}

// Of few among many slots, and of such that are far below the heaviest, most are found by the tree;
// of many alike, by a guess.
TEST_CASE("whatever weights there are and were, shares are by weight") {
  for (const auto policy : kAllPolicies) {
    EndpointChoice choice({.policy = policy}, Random{7});
    for (std::uint32_t slot = 0; slot < 1000; ++slot) choice.add(slot, 1, t0);
    choice.set_weight(5, 3);
    choice.set_weight(9, 2);
    choice.set_weight(11, 500);
    for (std::uint32_t slot = 0; slot < 1000; ++slot) {
      choice.set_selectable(slot, slot == 4 || slot == 5 || slot == 9);
    }
    for (const bool heavy_one_left : {false, true}) {
      if (heavy_one_left) choice.remove(11);
      const auto counts = count_choices(choice, t0);
      CHECK(is_share(counts[4], 1.0 / 6));
      CHECK(is_share(counts[9], 2.0 / 6));
      CHECK(is_share(counts[5], 3.0 / 6));
    }
  }
}

TEST_CASE("the second of two drawn is drawn by weight from the rest") {
  for (const std::uint32_t others : {0u, 12u}) {  // slots that are not selectable
    EndpointChoice choice({.policy = Policy::P2cEwma}, Random{7});
    std::uint32_t slot = 0;
    for (const std::uint32_t weight : {1, 2, 4, 8}) choice.add(slot++, weight, t0);
    for (; slot < 4 + others; ++slot) {
      choice.add(slot, 1, t0);
      choice.set_selectable(slot, false);
    }
    for (const std::uint32_t fast : {0u, 1u, 2u}) sample(choice, fast, t0, 1ms);
    sample(choice, 3, t0, 1s);
    const auto counts = count_choices(choice, t0);
    const auto share = [](double weight) { return weight / 15 + 8.0 / 15 * weight / 7; };
    CHECK(is_share(counts[0], share(1)));
    CHECK(is_share(counts[1], share(2)));
    CHECK(is_share(counts[2], share(4)));
  }
}

TEST_CASE("what is not selectable, removed or without weight is never chosen") {
  for (const auto policy : kAllPolicies) {
    auto choice = make_choice(policy, {1, 1, 1, 1, 0});
    choice.set_selectable(0, false);
    choice.remove(1);
    CHECK(choice.selectable() == 2);
    auto counts = count_choices(choice, t0, 1000);
    CHECK(counts[0] + counts[1] + counts[4] == 0);

    choice.set_selectable(0, true);
    counts = count_choices(choice, t0, 1000);
    CHECK(counts[0] > 200);
    choice.set_weight(4, 100);
    CHECK(choice.selectable() == 4);
    counts = count_choices(choice, t0, 1000);
    CHECK(counts[4] > 800);
  }
}

TEST_CASE("nothing selectable: nothing is chosen") {
  for (const auto policy : kAllPolicies) {
    EndpointChoice empty({.policy = policy}, Random{1});
    CHECK_FALSE(empty.choose(t0, {}, false));
    auto choice = make_choice(policy, {1});
    choice.set_selectable(0, false);
    CHECK_FALSE(choice.choose(t0, {}, false));
    const std::vector<std::uint32_t> avoid{0};
    CHECK_FALSE(choice.choose(t0, avoid, false));
    CHECK(choice.selectable() == 0);
  }
}

TEST_CASE("tried endpoints are taken only where nothing else is there, or not at all") {
  for (const auto policy : kAllPolicies) {
    auto choice = make_choice(policy, {1, 1000, 1});
    const std::vector<std::uint32_t> avoid{1, 1, 9};  // repeated and unknown slots do no harm
    const auto counts = count_choices(choice, t0, 1000, avoid);
    CHECK(counts[1] == 0);
    CHECK(counts[0] > 400);
    CHECK(counts[2] > 400);

    const std::vector<std::uint32_t> all{0, 1, 2};
    CHECK(choice.choose(t0, all, false).has_value());
    CHECK_FALSE(choice.choose(t0, all, true).has_value());
    choice.set_selectable(0, false);
    choice.set_selectable(2, false);
    CHECK_FALSE(choice.choose(t0, avoid, true).has_value());
    CHECK(choice.choose(t0, avoid, false) == 1u);
    // Avoiding what is not selectable does not make it so.
    CHECK(choice.choose(t0, all, false) == 1u);
    CHECK(choice.choose(t0, {}, false) == 1u);
  }
}

TEST_CASE("an endpoint in a slot used before has no load and the median latency") {
  auto choice = make_choice(Policy::P2cEwma, {1, 1});
  sample(choice, 0, t0, 10ms);
  sample(choice, 1, t0, 3s);
  choice.on_start(1, t0);
  choice.remove(1);
  CHECK(choice.in_flight(1) == 0);
  choice.add(1, 1, t0);
  CHECK(choice.in_flight(1) == 0);
  CHECK(choice.latency(1, t0) == 10ms);
  choice.on_end(1, t0, 5ms, false, false);  // of the endpoint that was there before
  CHECK(choice.in_flight(1) == 0);
}

TEST_CASE("the policy can be changed while in use") {
  auto choice = make_choice(Policy::Random, {1, 1, 1});
  choice.set_selectable(1, false);
  choice.configure({.policy = Policy::RoundRobin});
  CHECK(sequence(choice, 4) == "acac");
}

TEST_CASE("choosing and counting allocate nothing") {
  for (const auto policy : kAllPolicies) {
    EndpointChoice choice({.policy = policy}, Random{3});
    for (std::uint32_t slot = 0; slot < kMaxEndpoints; ++slot) choice.add(slot, 1 + slot % 3, t0);
    const auto before = test::allocations();
    auto now = t0;
    for (int i = 0; i < 2000; ++i, now += 1ms) {
      const std::array<std::uint32_t, 2> avoid{1, 2};
      const auto slot = choice.choose(now, avoid, true);
      choice.on_start(*slot, now);
      choice.set_selectable(*slot, false);
      choice.set_selectable(*slot, true);
      choice.on_end(*slot, now, 3ms, i % 7 == 0, true);
    }
    CHECK(test::allocations() == before);
  }
}

// Round_robin.

TEST_CASE("round robin takes turns, and shares them smoothly by weight") {
  auto equal = make_choice(Policy::RoundRobin, {1, 1, 1});
  CHECK(sequence(equal, 7) == "abcabca");
  auto pair = make_choice(Policy::RoundRobin, {2, 1});
  CHECK(sequence(pair, 9) == "abaabaaba");
  auto heavy = make_choice(Policy::RoundRobin, {5, 1, 1});
  CHECK(sequence(heavy, 14) == "aaabcaaaaabcaa");
}

TEST_CASE("any stretch of turns that is as long as the weights together holds each weight") {
  auto choice = make_choice(Policy::RoundRobin, {4, 3, 2, 1});
  const auto turns = sequence(choice, 500);
  for (std::size_t start = 0; start + 10 <= turns.size(); start += 10) {
    const auto stretch = turns.substr(start, 10);
    CHECK(std::ranges::count(stretch, 'a') == 4);
    CHECK(std::ranges::count(stretch, 'b') == 3);
    CHECK(std::ranges::count(stretch, 'c') == 2);
    CHECK(std::ranges::count(stretch, 'd') == 1);
  }
}

TEST_CASE("an endpoint that comes back or is new makes up for nothing") {
  auto choice = make_choice(Policy::RoundRobin, {1, 1, 1});
  choice.set_selectable(1, false);
  CHECK(sequence(choice, 6) == "acacac");
  choice.set_selectable(1, true);
  CHECK(std::ranges::count(sequence(choice, 30), 'b') == 10);
  choice.add(3, 1, t0);
  CHECK(std::ranges::count(sequence(choice, 40), 'd') == 10);
}

TEST_CASE("a turn that was avoided is not lost") {
  auto choice = make_choice(Policy::RoundRobin, {1, 1, 1});
  CHECK(sequence(choice, 1, {0}) == "b");
  CHECK(sequence(choice, 6) == "acabca");
}

TEST_CASE("of turns that were avoided for long one is made up for") {
  auto choice = make_choice(Policy::RoundRobin, {1, 1, 1});
  CHECK(sequence(choice, 20, {0}) == "bcbcbcbcbcbcbcbcbcbc");
  CHECK(sequence(choice, 7) == "aabcabc");
  CHECK(sequence(choice, 20, {0}) == "bcbcbcbcbcbcbcbcbcbc");
  choice.set_selectable(0, false);
  choice.set_selectable(0, true);
  CHECK(sequence(choice, 7) == "aabcabc");
}

TEST_CASE("an endpoint that gains weight does not wait out the turn of the old one") {
  auto choice = make_choice(Policy::RoundRobin, {1, 1});
  CHECK(sequence(choice, 2) == "ab");
  choice.set_weight(0, 100);
  CHECK(sequence(choice, 5) == "aaaaa");
}

TEST_CASE("a changed weight applies from the next turn") {
  auto choice = make_choice(Policy::RoundRobin, {1, 1});
  choice.set_weight(0, 3);
  CHECK(std::ranges::count(sequence(choice, 400), 'a') == 300);
  choice.set_weight(0, 1);
  const auto turns = sequence(choice, 100);
  CHECK(std::abs(std::ranges::count(turns, 'a') - 50) <= 1);
}

// Least_request.

TEST_CASE("of two endpoints least request takes the one with fewer requests on their way") {
  auto choice = make_choice(Policy::LeastRequest, {1, 1});
  choice.on_start(0, t0);
  CHECK(choice.in_flight(0) == 1);
  CHECK(count_choices(choice, t0, 1000)[0] == 0);
  choice.on_start(1, t0);
  choice.on_start(1, t0);
  CHECK(count_choices(choice, t0, 1000)[1] == 0);
}

TEST_CASE("of many endpoints the busiest is chosen by power of two choices never, others rarely") {
  // With loads 0, 1, 2, 3 the rank r of four wins against all above it: 3/6, 2/6, 1/6, 0.
  auto choice = make_choice(Policy::LeastRequest, {1, 1, 1, 1});
  for (std::uint32_t slot = 0; slot < 4; ++slot) {
    for (std::uint32_t i = 0; i < slot; ++i) choice.on_start(slot, t0);
  }
  const auto counts = count_choices(choice, t0);
  CHECK(is_share(counts[0], 3.0 / 6));
  CHECK(is_share(counts[1], 2.0 / 6));
  CHECK(is_share(counts[2], 1.0 / 6));
  CHECK(counts[3] == 0);
}

TEST_CASE("requests that stay on their way spread by weight") {
  auto choice = make_choice(Policy::LeastRequest, {1, 2, 5});
  for (int i = 0; i < 800; ++i) choice.on_start(*choice.choose(t0, {}, false), t0);
  CHECK(std::abs(static_cast<int>(choice.in_flight(0)) - 100) <= 3);
  CHECK(std::abs(static_cast<int>(choice.in_flight(1)) - 200) <= 3);
  CHECK(std::abs(static_cast<int>(choice.in_flight(2)) - 500) <= 3);
}

// P2c_ewma.

TEST_CASE("of two endpoints the faster is chosen until it is as loaded as it is faster") {
  auto choice = make_choice(Policy::P2cEwma, {1, 1});
  sample(choice, 0, t0, 40ms);
  sample(choice, 1, t0, 10ms);
  for (int i = 0; i < 3; ++i) {
    CHECK(count_choices(choice, t0, 100)[0] == 0);
    choice.on_start(1, t0);
  }
  choice.on_start(1, t0);  // 10 ms × 5 > 40 ms × 1
  CHECK(count_choices(choice, t0, 100)[1] == 0);
}

TEST_CASE("load is measured by the weights of those that are there") {
  auto choice = make_choice(Policy::P2cEwma, {1, 1, 1000});
  choice.remove(2);
  sample(choice, 0, t0, 40ms);
  sample(choice, 1, t0, 10ms);
  choice.on_start(1, t0);
  choice.on_start(1, t0);  // 10 ms × 3 < 40 ms
  CHECK(count_choices(choice, t0, 100)[0] == 0);
}

TEST_CASE("while nothing is known of latencies the less loaded is chosen") {
  auto choice = make_choice(Policy::P2cEwma, {1, 1});
  choice.on_start(0, t0);
  CHECK(count_choices(choice, t0, 100)[0] == 0);
}

TEST_CASE("small differences of latency do not undo weights, large ones of load do") {
  auto choice = make_choice(Policy::P2cEwma, {1, 3});
  sample(choice, 0, t0, 10ms);
  sample(choice, 1, t0, 13ms);
  const auto counts = count_choices(choice, t0);
  CHECK(is_share(counts[0], 0.25));
  CHECK(is_share(counts[1], 0.75));
  for (int i = 0; i < 80; ++i) choice.on_start(*choice.choose(t0, {}, false), t0);
  CHECK(std::abs(static_cast<int>(choice.in_flight(0)) - 20) <= 8);
}

TEST_CASE("the faster is chosen in spite of weights, where it is clearly faster") {
  auto choice = make_choice(Policy::P2cEwma, {9, 1});
  sample(choice, 0, t0, 40ms);
  sample(choice, 1, t0, 10ms);
  CHECK(count_choices(choice, t0, 1000)[0] == 0);
}

TEST_CASE("the slowest of many is not chosen while idle, whatever the seed") {
  auto choice = make_choice(Policy::P2cEwma, {1, 1, 1, 1});
  for (std::uint32_t slot = 0; slot < 4; ++slot) sample(choice, slot, t0, 10ms * (slot + 1));
  const auto counts = count_choices(choice, t0);
  CHECK(is_share(counts[0], 3.0 / 6));
  CHECK(counts[3] == 0);
}

TEST_CASE("failing fast attracts nothing") {
  auto choice = make_choice(Policy::P2cEwma, {1, 1, 1});
  sample(choice, 0, t0, 20ms);
  sample(choice, 1, t0, 30ms);
  sample(choice, 2, t0, 100us, true);
  CHECK(choice.latency(2, t0) == 1s);
  CHECK(count_choices(choice, t0, 1000)[2] == 0);
}

TEST_CASE("a failure counts as its time, ten medians or a second, whatever is most") {
  auto choice = make_choice(Policy::P2cEwma, {1, 1});
  sample(choice, 1, t0, 1ms, true);
  CHECK(choice.latency(1, t0) == 1s);
  sample(choice, 0, t0, 300ms);
  sample(choice, 1, t0, 1ms, true);
  CHECK(choice.latency(1, t0) == 3s);
  sample(choice, 1, t0, 15s, true);
  CHECK(choice.latency(1, t0) == 15s);
}

TEST_CASE("while everything fails the penalty does not grow") {
  auto choice = make_choice(Policy::P2cEwma, {1, 1, 1});
  for (std::uint32_t slot = 0; slot < 3; ++slot) sample(choice, slot, t0, 200ms);
  for (int i = 0; i < 300; ++i) sample(choice, i % 3, t0 + i * 200ms, 1ms, true);
  CHECK(choice.median() == 200ms);
  for (std::uint32_t slot = 0; slot < 3; ++slot) CHECK(choice.latency(slot, t0 + 1min) <= 2s);
}

TEST_CASE("without samples a latency decays towards the median") {
  auto choice = make_choice(Policy::P2cEwma, {1, 1, 1});
  sample(choice, 0, t0, 10ms);
  sample(choice, 1, t0, 20ms);
  sample(choice, 2, t0, 1ms, true);
  REQUIRE(choice.median() == 10ms);  // the lower of the two that answered
  const double left = std::exp(-1.0);
  CHECK(seconds(choice.latency(2, t0 + 10s)) == Approx(0.010 + 0.990 * left));
  CHECK(seconds(choice.latency(1, t0 + 10s)) == Approx(0.010 + 0.010 * left));
  CHECK(seconds(choice.latency(2, t0 + 5min)) == Approx(0.010));
}

TEST_CASE("an endpoint that failed is tried again when its failure has faded") {
  auto choice = make_choice(Policy::P2cEwma, {1, 1});
  sample(choice, 0, t0, 20ms);
  sample(choice, 1, t0, 1ms, true);
  choice.on_start(0, t0);  // a little load: 20 ms × 2
  CHECK(count_choices(choice, t0 + 30s, 100)[1] == 0);
  CHECK(count_choices(choice, t0 + 45s, 100)[1] == 100);
}

TEST_CASE("a new endpoint starts at the median of the others") {
  auto choice = make_choice(Policy::P2cEwma, {1, 1, 1});
  CHECK(choice.latency(0, t0) == Duration{});
  sample(choice, 0, t0, 10ms);
  sample(choice, 1, t0, 30ms);
  sample(choice, 2, t0, 500ms);
  choice.add(3, 1, t0);
  CHECK(choice.latency(3, t0) == 30ms);
  sample(choice, 3, t0, 2ms);
  CHECK(choice.latency(3, t0) == 2ms);
}

TEST_CASE("an endpoint that is not selectable has no part in the median") {
  auto choice = make_choice(Policy::P2cEwma, {1, 1, 1});
  sample(choice, 0, t0, 10ms);
  sample(choice, 1, t0, 400ms);
  sample(choice, 2, t0, 500ms);
  CHECK(choice.median() == 10ms);  // of the first; looked at again in a moment
  sample(choice, 0, t0 + 99ms, 10ms);
  CHECK(choice.median() == 10ms);
  sample(choice, 0, t0 + 100ms, 10ms);
  CHECK(choice.median() == 400ms);
  choice.set_selectable(2, false);
  sample(choice, 0, t0 + 200ms, 10ms);
  CHECK(choice.median() == 10ms);  // the lower of two
  choice.set_selectable(0, false);
  sample(choice, 1, t0 + 300ms, 400ms);
  CHECK(choice.median() == 400ms);
  choice.set_selectable(1, false);
  sample(choice, 1, t0 + 400ms, 900ms);
  CHECK(choice.median() == 400ms);  // none has a say: the last one stands
}

TEST_CASE("a try without a sample only comes off the load") {
  auto choice = make_choice(Policy::P2cEwma, {1, 1});
  sample(choice, 0, t0, 10ms);
  choice.on_start(0, t0);
  choice.on_end(0, t0, 9s, true, false);
  CHECK(choice.in_flight(0) == 0);
  CHECK(choice.latency(0, t0) == 10ms);

  choice.on_start(0, t0);
  choice.on_sample(0, t0, 50ms, false);
  CHECK(choice.in_flight(0) == 1);
  CHECK(choice.latency(0, t0) == 50ms);
}

TEST_CASE("a hanging endpoint of unknown latency does not swallow the traffic") {
  auto choice = make_choice(Policy::P2cEwma, {1, 1});
  for (int i = 0; i < 100; ++i) {
    const auto slot = *choice.choose(t0 + i * 1ms, {}, false);
    choice.on_start(slot, t0);
    if (slot == 0) choice.on_end(0, t0 + i * 1ms, 2ms, false, true);  // 1 never answers
  }
  CHECK(choice.in_flight(1) <= 2);
}

TEST_CASE("load spreads by weight and speed together") {
  // A closed loop: each slot serves a request in its time, and 60 are always on their way.
  struct Server {
    Duration time;
    std::vector<TimePoint> ends{};
    int served = 0;
  };
  auto choice = make_choice(Policy::P2cEwma, {1, 1});
  std::array<Server, 2> servers{Server{10ms}, Server{30ms}};
  auto now = t0;
  for (int on_way = 0; now < t0 + 20s; now += 1ms) {
    for (std::uint32_t slot = 0; slot < 2; ++slot) {
      auto& server = servers[slot];
      const auto due = std::erase_if(server.ends, [&](TimePoint end) { return end <= now; });
      for (std::size_t i = 0; i < due; ++i) choice.on_end(slot, now, server.time, false, true);
      server.served += static_cast<int>(due);
      on_way -= static_cast<int>(due);
    }
    for (; on_way < 60; ++on_way) {
      const auto slot = *choice.choose(now, {}, false);
      choice.on_start(slot, now);
      servers[slot].ends.push_back(now + servers[slot].time);
    }
  }
  // In flight goes 3 : 1, so throughput 9 : 1.
  const double ratio = static_cast<double>(servers[0].served) / servers[1].served;
  CHECK(ratio > 7.5);
  CHECK(ratio < 10.5);
}

TEST_CASE("an endpoint that fails its health checks is not chosen") {
  auto choice = make_choice(Policy::P2cEwma, {1, 1, 1});
  choice.set_healthy(1, false);
  CHECK(choice.selectable() == 2);
  CHECK(count_choices(choice, t0, 1000)[1] == 0);
  choice.set_healthy(1, true);
  CHECK(count_choices(choice, t0, 1000)[1] > 0);
}

}  // namespace outrigger::policy
