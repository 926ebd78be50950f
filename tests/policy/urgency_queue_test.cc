#include "proxy/policy/urgency_queue.h"

#include <vector>

#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;
using enum config::Criticality;

constexpr TimePoint t0{1h};

std::vector<PendingNode*> served(UrgencyQueue& queue) {
  std::vector<PendingNode*> order;
  while (PendingNode* first = queue.first()) {
    queue.remove(*first);
    order.push_back(first);
  }
  return order;
}

using Nodes = std::vector<PendingNode*>;

}  // namespace

TEST_CASE("the most critical first, among equals the earliest deadline, then who came first") {
  UrgencyQueue queue(10);
  PendingNode sheddable, late, early, as_early, critical, endless;
  CHECK(queue.push(sheddable, Sheddable, t0).joined);
  CHECK(queue.push(late, Normal, t0 + 2s).joined);
  CHECK(queue.push(endless, Normal, kNever).joined);
  CHECK(queue.push(early, Normal, t0 + 1s).joined);
  CHECK(queue.push(as_early, Normal, t0 + 1s).joined);
  CHECK(queue.push(critical, Critical, kNever).joined);
  CHECK(queue.size() == 6);
  CHECK(served(queue) == Nodes{&critical, &early, &as_early, &late, &endless, &sheddable});
}

TEST_CASE("where it is full the more critical takes the place of the last less critical one") {
  UrgencyQueue queue(2);
  PendingNode a, b, c, d, e, f;
  CHECK(queue.push(a, Normal, t0 + 1s).joined);
  CHECK(queue.push(b, Sheddable, t0).joined);
  CHECK_FALSE(queue.push(c, Sheddable, t0 - 1s).joined);  // no more critical than who waits
  CHECK(queue.push(d, Normal, t0 + 2s).displaced == &b);
  CHECK_FALSE(b.queued());
  CHECK_FALSE(queue.push(e, Normal, t0).joined);
  CHECK(queue.push(f, Critical, t0).displaced == &d);
  CHECK(served(queue) == Nodes{&f, &a});
}

TEST_CASE("with a bound of 0 nobody waits, and a lowered one sends nobody away") {
  UrgencyQueue queue(0);
  PendingNode a, b, c;
  CHECK_FALSE(queue.push(a, Critical, t0).joined);
  queue.configure(2);
  CHECK(queue.push(a, Normal, t0).joined);
  CHECK(queue.push(b, Normal, t0).joined);
  queue.configure(1);
  CHECK_FALSE(queue.push(c, Normal, t0).joined);
  CHECK(served(queue).size() == 2);
}

TEST_CASE("a newcomer passes only so many, so that the call stays short") {
  UrgencyQueue queue(1000);
  std::vector<PendingNode> nodes(UrgencyQueue::kMaxPassed + 2);
  for (PendingNode& node : nodes) queue.push(node, Normal, kNever);
  PendingNode urgent;
  queue.push(urgent, Normal, t0);
  const auto order = served(queue);
  CHECK(order[2] == &urgent);
}

}  // namespace outrigger::policy
