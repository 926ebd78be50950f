#include "proxy/exchange/path_dots.h"

#include "tests/support/catch.h"

namespace outrigger::exchange {
namespace {

TEST_CASE("dot segments are seen, plain and encoded, and nothing else is") {
  for (const char* path :
       {"/..", "/.", "/a/../b", "/a/./b", "/a/..", "/%2e%2e/a", "/a/%2E", "/.%2e/x"}) {
    INFO(path);
    CHECK(has_dot_segments(path));
  }
  for (const char* path : {"/", "", "/a.b", "/..a", "/a..", "/...", "/%2e%2e%2e", "/a%2fb", "*"}) {
    INFO(path);
    CHECK_FALSE(has_dot_segments(path));
  }
}

}  // namespace
}  // namespace outrigger::exchange
