#include "proxy/exchange/comparable_path.h"

#include "tests/support/catch.h"

namespace outrigger::exchange {
namespace {

std::string comparable(std::string_view path) {
  return std::string(ComparablePath(path).view());
}

}  // namespace

TEST_CASE("encoded unreserved characters are decoded for comparison, and no others") {
  CHECK(comparable("/plain/path") == "/plain/path");
  CHECK(comparable("/%61%5A%30%2d%2E%5f%7e") == "/aZ0-._~");
  CHECK(comparable("/a%2Fb%3f%20%c3%a9") == "/a%2Fb%3f%20%c3%a9");
  CHECK(comparable("/%2561") == "/%2561");  // once, not twice
  CHECK(comparable("").empty());
}

TEST_CASE("broken percent-encoding is left as it is") {
  CHECK(comparable("/%") == "/%");
  CHECK(comparable("/%6") == "/%6");
  CHECK(comparable("/%6g%61") == "/%6ga");
  CHECK(comparable("%%61") == "%a");
}

TEST_CASE("paths of any length are decoded") {
  for (const std::size_t length : {1021, 1024, 1025, 16384}) {
    const std::string filler(length - 3, 'x');
    CHECK(comparable(filler + "%41") == filler + "A");
  }
}

TEST_CASE("a path without percent-encoding is not copied") {
  const std::string path(5000, 'x');
  CHECK(ComparablePath(path).view().data() == path.data());
}

}  // namespace outrigger::exchange
