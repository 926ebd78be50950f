#include "proxy/net/listener.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/net/sockets.h"
#include "tests/net/temporary_directory.h"
#include "tests/support/catch.h"

namespace outrigger::net {
namespace {

using namespace std::chrono_literals;

std::vector<std::unique_ptr<Dial>> dial(Loop& loop, const Address& address, int count) {
  std::vector<std::unique_ptr<Dial>> dials;
  for (int i = 0; i < count; ++i) dials.push_back(std::make_unique<Dial>(loop, address));
  return dials;
}

bool all_through(const std::vector<std::unique_ptr<Dial>>& dials) {
  for (const auto& each : dials) {
    if (!each->over()) return false;
  }
  return true;
}

TEST_CASE("a listener accepts what comes, on TCP and on a Unix socket") {
  TemporaryDirectory directory;
  const std::string address = directory.place(GENERATE("127.0.0.1:0", "[::1]:0", "unix:"));
  Loop loop;
  Door door{loop, address};
  CHECK(door.listener->open());
  const auto dials = dial(loop, door.address(), 100);
  REQUIRE(run_until(loop, [&] { return door.accepted.size() == 100 && all_through(dials); }));
  for (const auto& each : dials) CHECK(each->error == 0);
}

TEST_CASE("accept_all_then_close takes those who wait and refuses those who come later") {
  Loop loop;
  Door door{loop, "127.0.0.1:0"};
  const Address address = door.address();
  // Connected by the kernel in one turn of a second loop, while this one has not accepted.
  Loop callers;
  const auto dials = dial(callers, address, 50);
  REQUIRE(run_until(callers, [&] { return all_through(dials); }));
  REQUIRE(door.accepted.empty());

  door.listener->accept_all_then_close();
  CHECK(door.accepted.size() == 50);
  CHECK_FALSE(door.listener->open());
  CHECK(door.listener->port() == address.port());
  door.listener->accept_all_then_close();

  Dial late{callers, address};
  REQUIRE(run_until(callers, [&] { return late.over(); }));
  CHECK(late.error == -ECONNREFUSED);
  loop.run_once(false);
}

TEST_CASE("a listener may be destroyed or closed from on_accept") {
  Loop loop;
  Door door{loop, "127.0.0.1:0"};
  Loop callers;
  const auto dials = dial(callers, door.address(), 10);
  REQUIRE(run_until(callers, [&] { return all_through(dials); }));
  SECTION("destroyed") {
    door.at_accept = [&] { door.listener.reset(); };
    REQUIRE(run_until(loop, [&] { return door.listener == nullptr; }));
    CHECK(door.accepted.size() == 1);
  }
  SECTION("closed, which delivers the others") {
    door.at_accept = [&] { door.listener->accept_all_then_close(); };
    REQUIRE(run_until(loop, [&] { return !door.accepted.empty(); }));
    CHECK(door.accepted.size() == 10);
    CHECK_FALSE(door.listener->open());
  }
  SECTION("destroyed while it closes") {
    door.at_accept = [&] {
      if (door.accepted.size() == 1) return door.listener->accept_all_then_close();
      if (door.accepted.size() == 3) door.listener.reset();
    };
    REQUIRE(run_until(loop, [&] { return door.listener == nullptr; }));
    CHECK(door.accepted.size() == 3);
  }
}

TEST_CASE("without descriptors a listener says so, rests, and then takes those who waited") {
  Loop loop;
  Door door{loop, "127.0.0.1:0"};
  Loop callers;
  const auto dials = dial(callers, door.address(), 3);
  REQUIRE(run_until(callers, [&] { return all_through(dials); }));

  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const int lowest_free = dup(0);
  close(lowest_free);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(lowest_free);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  const bool told = run_until(loop, [&] { return !door.errors.empty(); });
  for (int turn = 0; turn < 20; ++turn) loop.run_once(false);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);

  REQUIRE(told);
  CHECK(door.errors == std::vector<int>{-EMFILE});
  CHECK(door.accepted.empty());
  CHECK(run_until(loop, [&] { return door.accepted.size() == 3; }));
}

TEST_CASE("two siblings share one address") {
  Loop loop;
  auto first = std::move(BoundSocket::bind(Address::parse("127.0.0.1:0").value()).value());
  auto second = std::move(first.sibling().value());
  struct Counter final : ListenerEvents {
    void on_accept(std::unique_ptr<Stream>) override { ++accepted; }
    void on_accept_error(int) override {}
    int accepted = 0;
  } one, two;
  const Address address = first.address();
  Listener left{loop, std::move(first), one};
  Listener right{loop, std::move(second), two};
  left.start();
  right.start();
  const auto dials = dial(loop, address, 200);
  REQUIRE(run_until(loop, [&] { return one.accepted + two.accepted == 200; }));
  CHECK(one.accepted > 0);
  CHECK(two.accepted > 0);
}

}  // namespace
}  // namespace outrigger::net
