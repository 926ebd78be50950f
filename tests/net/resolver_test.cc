#include "proxy/net/resolver.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "tests/net/sockets.h"
#include "tests/support/catch.h"

namespace outrigger::net {
namespace {

struct Answer final : ResolutionEvents {
  void on_resolved(std::vector<Address> found) override {
    addresses = std::move(found);
    resolution.reset();
    ++calls;
  }
  void on_resolve_failed(std::string why) override {
    reason = std::move(why);
    resolution.reset();
    ++calls;
  }
  void ask(Loop& loop, const std::string& name, std::uint16_t port) {
    resolution = std::make_unique<Resolution>(loop, name, port, *this);
  }
  std::unique_ptr<Resolution> resolution;
  std::vector<Address> addresses;
  std::string reason;
  int calls = 0;
};

TEST_CASE("localhost resolves to loopback addresses with the port, sorted and without doubles") {
  Loop loop;
  Answer answer;
  answer.ask(loop, "localhost", 8080);
  CHECK(answer.calls == 0);
  REQUIRE(run_until(loop, [&] { return answer.calls == 1; }));
  REQUIRE_FALSE(answer.addresses.empty());
  CHECK(std::is_sorted(answer.addresses.begin(), answer.addresses.end()));
  CHECK(std::adjacent_find(answer.addresses.begin(), answer.addresses.end()) ==
        answer.addresses.end());
  for (const Address& address : answer.addresses) {
    CHECK(address.is_loopback());
    CHECK(address.port() == 8080);
  }
}

TEST_CASE("a name that does not exist fails with a reason that names it") {
  setenv("RES_OPTIONS", "timeout:1 attempts:1", 1);  // where no name server answers
  Loop loop;
  Answer answer;
  answer.ask(loop, "nonexistent.invalid", 80);
  REQUIRE(run_until(
      loop, [&] { return answer.calls == 1; }, std::chrono::seconds{60}));
  CHECK(answer.addresses.empty());
  CHECK_THAT(answer.reason, Catch::StartsWith("nonexistent.invalid: "));
}

TEST_CASE("a name that no resolver would take fails, and not from within the constructor") {
  Loop loop;
  Answer answer;
  answer.ask(loop, std::string(5000, 'x'), 80);
  CHECK(answer.calls == 0);
  REQUIRE(run_until(loop, [&] { return answer.calls == 1; }));
  CHECK_THAT(answer.reason, Catch::EndsWith(": invalid argument"));
}

TEST_CASE("a resolution that is destroyed says nothing, also when its loop ends") {
  Answer dropped;
  Answer outlives;
  {
    Loop loop;
    dropped.ask(loop, "localhost", 80);
    dropped.resolution.reset();
    for (int turn = 0; turn < 5; ++turn) loop.run_once(false);
    outlives.ask(loop, "localhost", 80);
  }
  CHECK(dropped.calls == 0);
  CHECK(outlives.calls == 0);
}

}  // namespace
}  // namespace outrigger::net
