#include "proxy/policy/place_queue.h"

#include "tests/support/catch.h"

namespace outrigger::policy {
namespace {

using namespace std::chrono_literals;

const TimePoint t0{1h};

struct Since : PendingNode {
  explicit Since(TimePoint at) { since = at; }
};

}  // namespace

TEST_CASE("of one worker, who came first is next") {
  PlaceQueue queue(2, 1);
  Since first(t0), second(t0 + 1h), third(t0 + 2h);
  CHECK(queue.next(0) == nullptr);
  CHECK(queue.push(first, 0));
  CHECK(queue.push(second, 0));
  CHECK_FALSE(queue.push(third, 0));
  CHECK(queue.next(0) == &first);
  queue.remove(first);
  queue.remove(first);
  CHECK(queue.size() == 1);
  CHECK(queue.next(0) == &second);
  queue.remove(second);
}

TEST_CASE("where a place comes free, who waits there goes before those elsewhere") {
  PlaceQueue queue(10, 3);
  Since elsewhere(t0), here(t0 + PlaceQueue::kHeadStart), later(t0 + 1s);
  CHECK(queue.push(elsewhere, 2));
  CHECK(queue.push(here, 0));
  CHECK(queue.push(later, 0));
  CHECK(queue.next(0) == &here);
  CHECK(queue.next(1) == &elsewhere);
  CHECK(queue.next(2) == &elsewhere);

  SECTION("but for those who have waited more than the head start longer") {
    queue.remove(here);
    CHECK(queue.next(0) == &elsewhere);
    queue.remove(elsewhere);
    CHECK(queue.next(0) == &later);
  }
  for (Since* each : {&elsewhere, &here, &later}) queue.remove(*each);
  CHECK(queue.size() == 0);
}

TEST_CASE("the bound is on the workers together") {
  PlaceQueue queue(2, 2);
  Since a(t0), b(t0), c(t0);
  CHECK(queue.push(a, 0));
  CHECK(queue.push(b, 1));
  CHECK_FALSE(queue.push(c, 0));
  CHECK_FALSE(queue.push(c, 1));
  queue.remove(a);
  CHECK(queue.push(c, 1));
  queue.remove(b);
  queue.remove(c);
}

}  // namespace outrigger::policy
