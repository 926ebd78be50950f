#include "proxy/http/header_edits.h"

#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::http {
namespace {

std::string written(const HeaderEdits& edits, const HeaderVariables& variables = {}) {
  OutBuffer out;
  edits.write(out, variables);
  return std::string(out.view());
}

TEST_CASE("fields that are set or removed are dropped, those added are not") {
  const HeaderEdits edits({{"X-Set", "1"}, {"Content-Type", "a/b"}}, {{"x-add", "2"}},
                          {"x-gone", "Authorization"});
  CHECK(edits.drops(Field::Other, "x-set"));
  CHECK(edits.drops(Field::Other, "X-GONE"));
  CHECK(edits.drops(Field::ContentType, "content-type"));
  CHECK(edits.drops(Field::Authorization));
  CHECK_FALSE(edits.drops(Field::Other, "x-add"));
  CHECK_FALSE(edits.drops(Field::Other, "x-se"));
  CHECK_FALSE(edits.drops(Field::XRequestId));
}

TEST_CASE("what is set comes before what is added, each in the order written") {
  const HeaderEdits edits({{"b", "1"}, {"a", "2"}}, {{"b", "3"}, {"c", ""}}, {"d"});
  CHECK(written(edits) == "b: 1\r\na: 2\r\nb: 3\r\nc: \r\n");
}

TEST_CASE("variables stand anywhere in a value, several times") {
  const HeaderVariables variables{
      .request_id = "id", .client_ip = "::1", .upstream = "u", .attempt = 12};
  const auto value = [&](std::string text) {
    return written(HeaderEdits({{"a", std::move(text)}}, {}, {}), variables);
  };
  CHECK(value("%{request_id}") == "a: id\r\n");
  CHECK(value("x%{client_ip}y") == "a: x::1y\r\n");
  CHECK(value("%{upstream}%{attempt}%{upstream}") == "a: u12u\r\n");
  CHECK(value("100% {x} }%{attempt}% %") == "a: 100% {x} }12% %\r\n");
}

TEST_CASE("writing the changes allocates nothing") {
  const HeaderEdits edits({{"a-name-of-some-length", "a value with %{request_id} and more text"}},
                          {{"another", "%{attempt}"}}, {"x-gone"});
  OutBuffer out;
  edits.write(out, {.request_id = "0123456789abcdef0123456789abcdef"});
  out.clear();
  const auto before = test::allocations();
  edits.write(out, {.request_id = "0123456789abcdef0123456789abcdef"});
  const bool dropped = edits.drops(Field::Other, "x-gone");
  const auto after = test::allocations();
  CHECK(after == before);
  CHECK(dropped);
}

}  // namespace
}  // namespace outrigger::http
