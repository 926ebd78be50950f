#include "proxy/policy/pending_queue.h"

#include <array>
#include <deque>
#include <memory>

#include "proxy/base/random.h"
#include "tests/policy/dies.h"
#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::policy {

TEST_CASE("who came first is served first") {
  PendingQueue queue(3);
  PendingNode a, b, c;
  CHECK(queue.oldest() == nullptr);
  CHECK(queue.push(a));
  CHECK(queue.push(b));
  CHECK(queue.push(c));
  CHECK(queue.oldest() == &a);
  CHECK(queue.pop_oldest() == &a);
  CHECK(queue.pop_oldest() == &b);
  CHECK(queue.pop_oldest() == &c);
  CHECK(queue.pop_oldest() == nullptr);
  CHECK(queue.size() == 0);
}

TEST_CASE("at most max wait, with a max of 0 nobody") {
  PendingQueue queue(1);
  PendingNode a, b;
  CHECK(queue.push(a));
  CHECK_FALSE(queue.push(b));
  CHECK_FALSE(b.queued());
  CHECK(queue.size() == 1);
  queue.remove(a);
  CHECK(queue.push(b));
  queue.remove(b);

  queue.configure(0);
  CHECK_FALSE(queue.push(a));
}

TEST_CASE("a lowered bound sends nobody away") {
  PendingQueue queue(2);
  PendingNode a, b, c;
  queue.push(a);
  queue.push(b);
  queue.configure(1);
  CHECK(queue.size() == 2);
  CHECK(queue.pop_oldest() == &a);
  CHECK_FALSE(queue.push(c));
  CHECK(queue.pop_oldest() == &b);
  CHECK(queue.push(c));
  queue.remove(c);
}

TEST_CASE("leaving twice, or a queue one is not in, changes nothing") {
  PendingQueue queue(3), other(3);
  PendingNode a, b;
  queue.push(a);
  queue.push(b);
  other.remove(a);
  CHECK(a.queued());
  queue.remove(a);
  queue.remove(a);
  CHECK_FALSE(a.queued());
  CHECK(queue.size() == 1);
  CHECK(queue.pop_oldest() == &b);
}

TEST_CASE("a queue keeps the order of those who stay, whoever leaves") {
  constexpr std::size_t kNodes = 16;
  Random random(11);
  std::array<PendingNode, kNodes> nodes;
  PendingQueue queue(kNodes / 2);
  std::deque<PendingNode*> oracle;
  for (int step = 0; step < 20000; ++step) {
    PendingNode& node = nodes[random.below(kNodes)];
    if (random.below(4) == 0) {
      PendingNode* expected = oracle.empty() ? nullptr : oracle.front();
      if (expected) oracle.pop_front();
      REQUIRE(queue.pop_oldest() == expected);
    } else if (node.queued()) {
      std::erase(oracle, &node);
      queue.remove(node);
    } else {
      const bool room = oracle.size() < kNodes / 2;
      REQUIRE(queue.push(node) == room);
      if (room) oracle.push_back(&node);
    }
    REQUIRE(queue.size() == oracle.size());
    REQUIRE(queue.oldest() == (oracle.empty() ? nullptr : oracle.front()));
  }
  while (queue.pop_oldest()) {
  }
}

TEST_CASE("a queue that ends lets go of those who wait") {
  PendingNode a, b;
  {
    PendingQueue queue(2);
    queue.push(a);
    queue.push(b);
  }
  CHECK_FALSE(a.queued());
  CHECK_FALSE(b.queued());
}

TEST_CASE("to end while waiting, or to wait twice, is a bug of ours") {
  CHECK(dies([] {
    PendingQueue queue(1);
    PendingNode node;  // ends before the queue
    queue.push(node);
  }));
  CHECK(dies([] {
    PendingQueue queue(2), other(2);
    PendingNode node;
    queue.push(node);
    other.push(node);
  }));
}

TEST_CASE("waiting allocates nothing") {
  PendingQueue queue(1);
  PendingNode node;
  const auto before = test::allocations();
  queue.push(node);
  queue.remove(node);
  CHECK(test::allocations() == before);
}

}  // namespace outrigger::policy
