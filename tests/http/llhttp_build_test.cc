// That llhttp itself was built strict: the loose parser of 8.x takes these.
#include <llhttp.h>

#include <string>

#include "tests/support/catch.h"

#if LLHTTP_VERSION_MAJOR < 9
static_assert(LLHTTP_STRICT_MODE == 1, "and so must be all who include its header");
#endif

namespace {

bool taken(const std::string& text) {
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  llhttp_t parser;
  llhttp_init(&parser, HTTP_REQUEST, &settings);
  return llhttp_execute(&parser, text.data(), text.size()) == HPE_OK;
}

}  // namespace

TEST_CASE("llhttp is built strict") {
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\n";
  CHECK(taken(start + "A: b\r\n\r\n"));
  CHECK_FALSE(taken(start + "A : b\r\n\r\n"));
  CHECK_FALSE(taken(start + "A B: b\r\n\r\n"));
  CHECK_FALSE(taken(start + "\rX"));
  CHECK_FALSE(taken(start + "Transfer-Encoding: chunked\r\n\r\n1\r\nabX"));
  CHECK_FALSE(taken("GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"));
}
