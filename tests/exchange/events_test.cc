#include "proxy/exchange/events.h"

#include "tests/support/catch.h"

namespace outrigger::exchange {
namespace {

std::int64_t now_ms = 0;
std::int64_t clock_of_test() {
  return now_ms;
}

void add(Events& events, std::string name) {
  events.add({.kind = EventKind::Ejected, .scope = "upstream", .name = std::move(name)});
}

TEST_CASE("events come back in order, numbered from 1, with the time at which they were added") {
  Events events(clock_of_test);
  CHECK(events.since(0).empty());
  now_ms = 1000;
  add(events, "a");
  now_ms = 1001;
  add(events, "b");

  const auto all = events.since(0);
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "a");
  CHECK(all[0].sequence == 1);
  CHECK(all[0].unix_ms == 1000);
  CHECK(all[1].name == "b");
  CHECK(all[1].sequence == 2);
  CHECK(all[1].unix_ms == 1001);
  CHECK(events.last_sequence() == 2);
}

TEST_CASE("a reader who names the last number it saw gets what came after it") {
  Events events(clock_of_test);
  for (const char* name : {"a", "b", "c"}) add(events, name);

  REQUIRE(events.since(2).size() == 1);
  CHECK(events.since(2)[0].name == "c");
  CHECK(events.since(3).empty());
  CHECK(events.since(UINT64_MAX).empty());
}

TEST_CASE("beyond its bound the oldest events are forgotten, and the numbers run on") {
  Events events(clock_of_test);
  for (std::size_t i = 1; i <= Events::kMaxEvents + 3; ++i) add(events, std::to_string(i));

  const auto all = events.since(0);
  REQUIRE(all.size() == Events::kMaxEvents);
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(all[i].sequence == i + 4);
    CHECK(all[i].name == std::to_string(i + 4));
  }
  CHECK(events.since(2).size() == Events::kMaxEvents);
  CHECK(events.since(Events::kMaxEvents + 2).size() == 1);
}

TEST_CASE("a long cause is cut off") {
  Events events(clock_of_test);
  events.add({.kind = EventKind::Reload, .cause = std::string(Events::kMaxCause + 1, 'x')});
  CHECK(events.since(0)[0].cause.size() == Events::kMaxCause);
}

}  // namespace
}  // namespace outrigger::exchange
