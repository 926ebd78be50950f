#include "proxy/exchange/hash_key.h"

#include "proxy/policy/stable_hash.h"
#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::exchange {
namespace {

using namespace std::chrono_literals;
using config::HashOn;
using policy::StableHash;

constexpr std::uint64_t kFresh = 0x0123456789abcdef;
const HashOn by_header{.kind = HashOn::Kind::Header, .name = "x-user"};
const HashOn by_cookie{.kind = HashOn::Kind::Cookie, .name = "sticky"};

http::RequestHead head_with(std::initializer_list<http::HeaderField> fields) {
  http::RequestHead head;
  head.path = "/cart";
  for (const auto& field : fields) head.headers.add(field.name, field.value);
  return head;
}

HashKey key_of(const HashOn& on, const http::RequestHead& head, std::string_view caller = "") {
  return hash_key(on, head, caller, kFresh);
}

}  // namespace

TEST_CASE("a header is hashed by its first value, whatever the case of its name") {
  const auto key = key_of(by_header, head_with({{"X-User", "anna"}, {"x-user", "bert"}}));
  CHECK(key.hash == StableHash::of("anna"));
  CHECK(key.set_cookie.empty());
}

TEST_CASE("a request without the header, or with an empty one, has no hash") {
  CHECK_FALSE(key_of(by_header, head_with({})).hash);
  CHECK_FALSE(key_of(by_header, head_with({{"x-user", ""}})).hash);
}

TEST_CASE("the caller's address and the path are hashed") {
  const auto head = head_with({});
  CHECK(key_of({.kind = HashOn::Kind::SourceIp}, head, "10.0.0.9").hash ==
        StableHash::of("10.0.0.9"));
  CHECK_FALSE(key_of({.kind = HashOn::Kind::SourceIp}, head, "").hash);
  CHECK(key_of({.kind = HashOn::Kind::Path}, head).hash == StableHash::of("/cart"));
}

TEST_CASE("a cookie is found among others and in a second field") {
  const auto expected = StableHash::of("v1");
  for (const std::string_view value :
       {"sticky=v1", "a=b; sticky=v1; c=d", "sticky=; sticky=v1", " a ;; sticky = v1 "}) {
    const auto key = key_of(by_cookie, head_with({{"Cookie", value}}));
    CHECK(key.hash == expected);
    CHECK(key.set_cookie.empty());
  }
  CHECK(key_of(by_cookie, head_with({{"cookie", "a=b"}, {"cookie", "sticky=v1"}})).hash ==
        expected);
}

TEST_CASE("a caller without the cookie is given one, and hashed by it") {
  for (const std::string_view value : {"", "other=1", "Sticky=1", "notsticky=1", "sticky", ";"}) {
    const auto key = key_of(by_cookie, head_with({{"cookie", value}}));
    CHECK(key.set_cookie == "sticky=0123456789abcdef; Path=/; HttpOnly");
    CHECK(key.hash == StableHash::of("0123456789abcdef"));
  }
  HashOn lasting = by_cookie;
  lasting.ttl = 1500ms;
  CHECK(key_of(lasting, head_with({})).set_cookie ==
        "sticky=0123456789abcdef; Path=/; HttpOnly; Max-Age=2");
}

TEST_CASE("a request that has its key is hashed without allocating") {
  const auto head = head_with({{"x-user", "anna"}, {"cookie", "sticky=v1"}});
  const auto before = test::allocations();
  CHECK(key_of(by_header, head).hash);
  CHECK(key_of(by_cookie, head).hash);
  CHECK(test::allocations() == before);
}

}  // namespace outrigger::exchange
