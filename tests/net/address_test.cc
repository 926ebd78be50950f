#include "proxy/net/address.h"

#include <sys/socket.h>

#include "tests/support/catch.h"

namespace outrigger::net {
namespace {

using Kind = Address::Kind;

TEST_CASE("an address is read in each of its forms and written back") {
  struct Row {
    std::string text;
    Kind kind;
    std::string host;
    int port;
    std::string written;
  };
  const auto row = GENERATE(values<Row>({
      {"127.0.0.1:8080", Kind::Ip, "127.0.0.1", 8080, "127.0.0.1:8080"},
      {"0.0.0.0:0", Kind::Ip, "0.0.0.0", 0, "0.0.0.0:0"},
      {"[::1]:65535", Kind::Ip, "::1", 65535, "[::1]:65535"},
      {"[2001:DB8:0:0::1]:80", Kind::Ip, "2001:db8::1", 80, "[2001:db8::1]:80"},
      {"pay.internal:8080", Kind::Host, "pay.internal", 8080, "pay.internal:8080"},
      {"my_service-1:1", Kind::Host, "my_service-1", 1, "my_service-1:1"},
      {"svc.ns.:80", Kind::Host, "svc.ns.", 80, "svc.ns.:80"},
      {"unix:/run/app.sock", Kind::Unix, "/run/app.sock", 0, "unix:/run/app.sock"},
  }));
  CAPTURE(row.text);
  const auto address = Address::parse(row.text);
  REQUIRE(address);
  CHECK(address.value().kind() == row.kind);
  CHECK(address.value().host() == row.host);
  CHECK(address.value().port() == row.port);
  CHECK(address.value().to_string() == row.written);
}

TEST_CASE("what is no address is refused with a sentence that says what is wrong") {
  const auto [text, hint] = GENERATE(table<std::string, std::string>({
      {"", "no port"},
      {"localhost", "no port"},
      {":8080", "host before the port is missing"},
      {"localhost:", "not a port"},
      {"localhost:65536", "not a port"},
      {"localhost:+80", "not a port"},
      {"localhost:80x", "not a port"},
      {"::1:80", "[v6]:port"},
      {"[::g]:80", "not an IPv6 address"},
      {"[127.0.0.1]:80", "not an IPv6 address"},
      {"[]:80", "neither"},
      {"10.0.0.256:80", "neither"},
      {"10.0.0:80", "neither"},
      {"a..b:80", "neither"},
      {".a:80", "neither"},
      {"a b:80", "neither"},
      {"http://a:80", "IPv6"},
      {"unix:", "needs a path"},
      {"unix:/" + std::string(107, 'x'), "at most 107"},
  }));
  CAPTURE(text);
  const auto address = Address::parse(text);
  REQUIRE_FALSE(address);
  CHECK_THAT(address.error(), Catch::Contains(hint));
}

TEST_CASE("an address survives the way to the kernel and back") {
  const std::string text = GENERATE("127.0.0.1:8080", "[2001:db8::1]:443", "unix:/run/x.sock");
  const Address address = Address::parse(text).value();
  sockaddr_storage native;
  CHECK(address.to_native(native) > 0);
  CHECK(Address::from_native(reinterpret_cast<const sockaddr&>(native)) == address);
}

TEST_CASE("loopback is this host only") {
  CHECK(Address::parse("127.8.8.8:1").value().is_loopback());
  CHECK(Address::parse("[::1]:1").value().is_loopback());
  CHECK(Address::parse("localhost:1").value().is_loopback());
  CHECK(Address::parse("unix:/x").value().is_loopback());
  CHECK_FALSE(Address::parse("0.0.0.0:1").value().is_loopback());
  CHECK_FALSE(Address::parse("example.org:1").value().is_loopback());
}

}  // namespace
}  // namespace outrigger::net
