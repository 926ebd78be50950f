#include "proxy/net/bound_socket.h"

#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "tests/net/temporary_directory.h"
#include "tests/support/catch.h"

namespace outrigger::net {
namespace {

Address address(const std::string& text) {
  return Address::parse(text).value();
}

BoundSocket bound(const Address& at) {
  return std::move(BoundSocket::bind(at).value());
}

TEST_CASE("port 0 becomes the port that the kernel chose") {
  const std::string host = GENERATE("127.0.0.1", "[::1]", "localhost");
  const BoundSocket socket = bound(address(host + ":0"));
  CHECK(socket.address().port() != 0);
  CHECK(socket.address().is_loopback());
  CHECK(socket.address().kind() == Address::Kind::Ip);
}

TEST_CASE("a second bind of an address is refused, while a sibling is not") {
  TemporaryDirectory directory;
  const std::string text = directory.place(GENERATE("127.0.0.1:0", "[::1]:0", "unix:"));
  std::optional<BoundSocket> first{bound(address(text))};
  const Address taken = first->address();

  const auto second = BoundSocket::bind(taken);
  REQUIRE_FALSE(second);
  CHECK_THAT(second.error(), Catch::StartsWith("cannot listen on " + taken.to_string()));
  CHECK_THAT(second.error(), Catch::Contains("listens there already"));

  {
    const auto sibling = first->sibling();
    REQUIRE(sibling);
    CHECK(sibling.value().address() == taken);
    CHECK_FALSE(BoundSocket::bind(taken));
  }
  first.reset();
  CHECK(BoundSocket::bind(taken));
}

TEST_CASE("an address that this host does not have, or a name, is refused") {
  const auto foreign = BoundSocket::bind(address("192.0.2.1:0"));
  REQUIRE_FALSE(foreign);
  CHECK_THAT(foreign.error(), Catch::Contains("no interface"));
  const auto name = BoundSocket::bind(address("example.org:80"));
  REQUIRE_FALSE(name);
  CHECK_THAT(name.error(), Catch::Contains("it is a name"));
}

TEST_CASE("a Unix socket's file goes with its owner, and with it alone") {
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/s";
  {
    const BoundSocket owner = bound(address("unix:" + path));
    CHECK(std::filesystem::is_socket(path));
    { const auto sibling = owner.sibling(); }
    CHECK(std::filesystem::is_socket(path));
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a stale socket file is replaced, and a successor's is left alone") {
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/s";
  std::optional<BoundSocket> old{bound(address("unix:" + path))};
  std::filesystem::rename(path, path + ".moved");
  const BoundSocket successor = bound(address("unix:" + path));
  old.reset();
  CHECK(std::filesystem::is_socket(path));

  // Nobody listens on the moved file any more.
  CHECK(BoundSocket::bind(address("unix:" + path + ".moved")));
}

TEST_CASE("a file that is no socket is never removed") {
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/precious";
  std::ofstream{path} << "data";
  const auto refused = BoundSocket::bind(address("unix:" + path));
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error(), Catch::Contains("not a socket"));
  CHECK(std::filesystem::file_size(path) == 4);

  const auto nowhere = BoundSocket::bind(address("unix:" + directory.path() + "/no/s"));
  REQUIRE_FALSE(nowhere);
  CHECK_THAT(nowhere.error(), Catch::Contains("directory does not exist"));
}

}  // namespace
}  // namespace outrigger::net
