#include "proxy/net/signal.h"

#include <csignal>
#include <memory>

#include "tests/net/sockets.h"
#include "tests/support/catch.h"

namespace outrigger::net {
namespace {

TEST_CASE("a signal reaches its loop, and its Signal may end in the call") {
  Loop loop;
  int usr1 = 0;
  bool usr2 = false;
  const Signal first{loop, SIGUSR1, [&] { ++usr1; }};
  std::unique_ptr<Signal> second;
  second = std::make_unique<Signal>(loop, SIGUSR2, [&] {
    second.reset();
    usr2 = true;
  });
  std::raise(SIGUSR1);
  REQUIRE(run_until(loop, [&] { return usr1 == 1; }));
  std::raise(SIGUSR2);
  REQUIRE(run_until(loop, [&] { return usr2; }));
  std::raise(SIGUSR1);
  CHECK(run_until(loop, [&] { return usr1 == 2; }));
}

}  // namespace
}  // namespace outrigger::net
