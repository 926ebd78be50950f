#include "proxy/exchange/query_parameters.h"

#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::exchange {
namespace {

// The value of the parameter as a route sees it, or "none".
std::string value(std::string_view query, std::string_view name) {
  std::string seen = "none";
  QueryParameters(query).any(name, [&](std::string_view text) {
    seen = text;
    return true;
  });
  return seen;
}

TEST_CASE("a parameter is found by its name, with case") {
  CHECK(value("a=1&b=2&c=3", "a") == "1");
  CHECK(value("a=1&b=2&c=3", "b") == "2");
  CHECK(value("a=1&b=2&c=3", "c") == "3");
  CHECK(value("a=1&b=2&c=3", "A") == "none");
  CHECK(value("ab=1", "a") == "none");
  CHECK(value("a=1", "ab") == "none");
  CHECK(value("", "a") == "none");
  CHECK(value("&&a=1&", "a") == "1");
}

TEST_CASE("the first parameter of a name counts") {
  CHECK(value("a=1&a=2", "a") == "1");
  const bool second = QueryParameters("a=1&a=2").any("a", [](auto text) { return text == "2"; });
  CHECK_FALSE(second);
}

TEST_CASE("a parameter without a value is there and empty") {
  CHECK(value("a&b=1", "a") == "");
  CHECK(value("a=&b=1", "a") == "");
  CHECK(value("a=b=c", "a") == "b=c");
}

TEST_CASE("names and values are compared decoded") {
  CHECK(value("n%61me=v%20w", "name") == "v w");
  CHECK(value("a+b=c+d%2Be", "a b") == "c d+e");
  CHECK(value("a=%26%3d%C3%a4", "a") == "&=\xc3\xa4");
  CHECK(value("a%3D=1", "a=") == "1");
}

TEST_CASE("a percent sign that begins no escape stands for itself") {
  CHECK(value("a=100%", "a") == "100%");
  CHECK(value("a=%2", "a") == "%2");
  CHECK(value("a=%zz%41", "a") == "%zzA");
}

TEST_CASE("long values are decoded whole") {
  std::string query = "a=";
  for (int i = 0; i < 2000; ++i) query += "%41";
  CHECK(value(query, "a") == std::string(2000, 'A'));
}

TEST_CASE("looking at a query allocates nothing") {
  const std::string query = "first=1&second=a%20b+c&third=%41";
  const auto before = test::allocations();
  const bool found = QueryParameters(query).any("third", [](auto text) { return text == "A"; });
  const auto after = test::allocations();
  CHECK(found);
  CHECK(after == before);
}

}  // namespace
}  // namespace outrigger::exchange
