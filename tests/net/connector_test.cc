#include "proxy/net/connector.h"

#include <array>
#include <optional>

#include "tests/net/sockets.h"
#include "tests/net/temporary_directory.h"
#include "tests/support/catch.h"

namespace outrigger::net {
namespace {

using namespace std::chrono_literals;

Address refused_address() {
  return std::move(BoundSocket::bind(Address::parse("127.0.0.1:0").value()).value()).address();
}

TEST_CASE("want of descriptors or memory is this machine's doing, an address is not") {
  CHECK(is_out_of_resources(-EMFILE));
  CHECK(is_out_of_resources(-ENFILE));
  CHECK(is_out_of_resources(-ENOMEM));
  CHECK_FALSE(is_out_of_resources(-EADDRNOTAVAIL));
  CHECK_FALSE(is_out_of_resources(-ECONNREFUSED));
}

TEST_CASE("a connect that fails is told once, later, with its reason") {
  TemporaryDirectory directory;
  Loop loop;
  SECTION("nobody listens") {
    Dial dial{loop, refused_address()};
    CHECK_FALSE(dial.over());
    REQUIRE(run_until(loop, [&] { return dial.over(); }));
    CHECK(dial.error == -ECONNREFUSED);
  }
  SECTION("no such Unix socket") {
    Dial dial{loop, Address::parse("unix:" + directory.path() + "/s").value()};
    CHECK_FALSE(dial.over());
    REQUIRE(run_until(loop, [&] { return dial.over(); }));
    CHECK(dial.error == -ENOENT);
  }
  SECTION("a name, which is the resolver's") {
    Dial dial{loop, Address::parse("localhost:80").value()};
    CHECK_FALSE(dial.over());
    REQUIRE(run_until(loop, [&] { return dial.over(); }));
    CHECK(dial.error == -EINVAL);
  }
}

TEST_CASE("a connector that is destroyed says nothing any more") {
  TemporaryDirectory directory;
  const std::string address = directory.place(GENERATE("127.0.0.1:0", "unix:"));
  Loop loop;
  Door door{loop, address};
  Dial dial{loop, door.address()};
  dial.connector.reset();
  Dial refused{loop, refused_address()};
  refused.connector.reset();
  for (int turn = 0; turn < 10; ++turn) loop.run_once(false);
  CHECK_FALSE(dial.over());
  CHECK_FALSE(refused.over());
}

TEST_CASE("a request may be written in the callback that hands the stream over") {
  struct Greeter final : ConnectorEvents {
    void on_connected(std::unique_ptr<Stream> connected) override {
      CHECK(connected->write("hello"));
      CHECK(connected->queued() + connected->bytes_taken() == 5);
      stream = std::move(connected);
    }
    void on_connect_failed(int) override { FAIL("connect failed"); }
    std::unique_ptr<Stream> stream;
  } greeter;
  TemporaryDirectory directory;
  const std::string address = directory.place(GENERATE("127.0.0.1:0", "unix:"));
  Loop loop;
  Door door{loop, address};
  End end;
  door.at_accept = [&] { end.take(std::move(door.accepted.back())); };
  const Connector connector{loop, door.address(), greeter};
  CHECK(run_until(loop, [&] { return end.got == "hello"; }));
}

TEST_CASE("a stream that is handed over may be dropped at once") {
  struct Dropper final : ConnectorEvents {
    void on_connected(std::unique_ptr<Stream>) override {
      connector.reset();
      dropped = true;
    }
    void on_connect_failed(int) override {}
    std::optional<Connector> connector;
    bool dropped = false;
  } dropper;
  Loop loop;
  Door door{loop, "127.0.0.1:0"};
  dropper.connector.emplace(loop, door.address(), dropper);
  CHECK(run_until(loop, [&] { return dropper.dropped; }));
}

}  // namespace
}  // namespace outrigger::net
