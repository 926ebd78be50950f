#include "proxy/simulation/server.h"

#include <vector>

#include "tests/support/catch.h"

namespace outrigger::simulation {
namespace {

using namespace std::chrono_literals;

struct Waiting final : Asker {
  void on_answer(const Answer& answer) override { statuses.push_back(answer.status); }
  std::vector<int> statuses;
};

struct World {
  VirtualTime time;
  Server server{time, 1};

  void pass(Duration duration) {
    const auto end = time.now() + duration;
    bool reached = false;
    time.at(end, [&reached] { reached = true; });
    while (!reached) time.step(end);
  }
};

TEST_CASE("requests beyond its capacity wait in the server, and beyond its queue are refused") {
  World world;
  world.server.behave(
      {.latency = {.fixed = 100ms}, .capacity = Capacity{.requests = 1, .queue = 1}});
  Waiting first, second, third;
  world.server.ask({}, first);
  world.server.ask({}, second);
  world.server.ask({}, third);

  world.pass(50ms);
  CHECK(third.statuses == std::vector<int>{503});
  world.pass(60ms);
  CHECK(first.statuses == std::vector<int>{200});
  CHECK(second.statuses.empty());
  world.pass(100ms);
  CHECK(second.statuses == std::vector<int>{200});
  CHECK(world.server.take_load().at_once == 3);
}

TEST_CASE("work for a caller who has gone is finished, and holds up the others") {
  World world;
  world.server.behave({.latency = {.fixed = 100ms}, .capacity = Capacity{.requests = 1}});
  Waiting gone, waits;
  const auto id = world.server.ask({}, gone);
  world.server.ask({}, waits);
  world.server.forget(id);

  world.pass(150ms);
  CHECK(waits.statuses.empty());
  world.pass(100ms);
  CHECK(waits.statuses == std::vector<int>{200});
  CHECK(gone.statuses.empty());
  CHECK(world.server.take_load().wasted == 1);
}

TEST_CASE("a server that notices drops the work of a caller who has gone") {
  World world;
  world.server.behave({.latency = {.fixed = 100ms},
                       .capacity = Capacity{.requests = 1, .abandoned = Abandoned::Drop}});
  Waiting gone, waits;
  const auto id = world.server.ask({}, gone);
  world.server.ask({}, waits);
  world.server.forget(id);
  world.pass(110ms);
  CHECK(waits.statuses == std::vector<int>{200});
  CHECK(world.server.take_load().wasted == 0);
}

TEST_CASE("a server resets, hangs and answers what its shares say") {
  World world;
  Waiting asker;
  world.server.behave({.reset_percent = 100});
  world.server.ask({}, asker);
  world.pass(10ms);
  CHECK(asker.statuses == std::vector<int>{0});

  world.server.behave({.hang_percent = 100});
  const auto hung = world.server.ask({}, asker);
  world.pass(1h);
  CHECK(asker.statuses.size() == 1);
  world.server.forget(hung);

  world.server.behave({.statuses = {{429, 100}}});
  world.server.ask({}, asker);
  world.pass(10ms);
  CHECK(asker.statuses.back() == 429);

  world.server.behave({.refuse_percent = 100});
  CHECK(world.server.connect() == Server::Connect::Refused);
  world.server.behave({.unreachable_percent = 100});
  CHECK(world.server.connect() == Server::Connect::Silent);
  world.server.behave({});
  CHECK(world.server.connect() == Server::Connect::Accepted);
}

}  // namespace
}  // namespace outrigger::simulation
