#include "proxy/http/message.h"

#include <cstring>

#include "tests/http/parsed.h"
#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::http {
namespace {

const char* const kText =
    "POST http://a.b:81/c/d?e=f HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nx-one: 2\r\n"
    "Content-Length: 7\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

TEST_CASE("a copied head needs nothing of the one it was made from") {
  RequestHead copy;
  std::string block;
  {
    ParsedRequest parsed(kText);
    REQUIRE(parsed.error == HeadError::None);
    parsed.head.copy_to(copy, block);
    std::memset(parsed.text.data(), '#', parsed.text.size());
  }
  CHECK(copy.method == "POST");
  CHECK(copy.target == "/c/d?e=f");
  CHECK(copy.path == "/c/d");
  CHECK(copy.query() == "e=f");
  CHECK(copy.authority == "a.b:81");
  CHECK(copy.absolute_form);
  CHECK(copy.framing == Framing::Length);
  CHECK(copy.content_length == 7);
  CHECK(copy.upgrade == "websocket");
  REQUIRE(copy.headers.size() == 6);
  CHECK(copy.headers.all()[1].name == "X-One");
  CHECK(copy.headers.all()[2].value == "2");
  CHECK(copy.headers.value_of(Field::ContentLength) == "7");
}

TEST_CASE("copying again into the same place allocates nothing") {
  ParsedRequest parsed(kText);
  RequestHead copy;
  std::string block;
  parsed.head.copy_to(copy, block);
  const auto before = test::allocations();
  parsed.head.copy_to(copy, block);
  const auto after = test::allocations();
  CHECK(after == before);
  CHECK(copy.target == "/c/d?e=f");
}

TEST_CASE("the query is what follows the first question mark") {
  const auto query = [](std::string_view target) {
    RequestHead head;
    head.target = target;
    head.path = target.substr(0, target.find('?'));
    return std::string(head.query());
  };
  CHECK(query("/a?b?c") == "b?c");
  CHECK(query("/a?") == "");
  CHECK(query("/a") == "");
  CHECK(query("*") == "");
}

TEST_CASE("a copy knows that Connection names fields of this hop") {
  ParsedRequest parsed("GET / HTTP/1.1\r\nHost: a\r\nConnection: x-mine\r\nX-Mine: 1\r\n\r\n");
  RequestHead copy;
  std::string block;
  parsed.head.copy_to(copy, block);
  CHECK(copy.names_others);
}

}  // namespace
}  // namespace outrigger::http
