#include "proxy/exchange/path_rewrite.h"

#include "tests/support/catch.h"

namespace outrigger::exchange {
namespace {

using config::Match;

std::string rewritten(const Match& match, const std::string& replacement, std::string_view target) {
  http::RequestHead head;
  head.target = target;
  head.path = target.substr(0, target.find('?'));
  const PathRewrite rewrite(match, replacement);
  const auto made = rewrite.apply(head);
  return std::string(made.prefix) + std::string(made.rest);
}

Match prefix(std::string path) {
  return {.path_kind = Match::PathKind::Prefix, .path = std::move(path)};
}

TEST_CASE("the matched prefix is replaced on whole segments, as the Gateway API has it") {
  struct Row {
    const char* target;
    const char* matched;
    const char* replacement;
    const char* made;
  };
  // The table of the Gateway API's HTTPPathModifier, and beyond.
  const Row rows[] = {
      {"/foo/bar", "/foo", "/xyz", "/xyz/bar"},
      {"/foo/bar", "/foo", "/xyz/", "/xyz/bar"},
      {"/foo/bar", "/foo/", "/xyz", "/xyz/bar"},
      {"/foo/bar", "/foo/", "/xyz/", "/xyz/bar"},
      {"/foo", "/foo", "/xyz", "/xyz"},
      {"/foo/", "/foo", "/xyz", "/xyz/"},
      {"/foo/bar", "/foo", "/", "/bar"},
      {"/foo/", "/foo", "/", "/"},
      {"/foo", "/foo", "/", "/"},
      {"/foo/bar", "/", "/xyz", "/xyz/foo/bar"},
      {"/", "/", "/xyz", "/xyz/"},
      {"/", "/", "/", "/"},
      {"/a/b/c", "/a/b", "/x/y/z", "/x/y/z/c"},
      {"/a//b", "/a", "/x", "/x//b"},
      {"/a//b", "/a", "/", "//b"},
      {"/a//b/c", "/a//b", "/x", "/x/c"},
  };
  for (const Row& row : rows) {
    INFO(row.target << " of " << row.matched << " to " << row.replacement);
    CHECK(rewritten(prefix(row.matched), row.replacement, row.target) == row.made);
  }
}

TEST_CASE("what follows the prefix stays as sent, the query too") {
  CHECK(rewritten(prefix("/a"), "/b", "/a/c%2Fd%7e?e=/a&f=%20") == "/b/c%2Fd%7e?e=/a&f=%20");
  CHECK(rewritten(prefix("/a"), "/b", "/a?x/y") == "/b?x/y");
  CHECK(rewritten(prefix("/a"), "/", "/a?x") == "/?x");
}

TEST_CASE("a prefix that came with escapes is replaced whole") {
  CHECK(rewritten(prefix("/~user/x"), "/b", "/%7Euser/%78/rest") == "/b/rest");
  CHECK(rewritten(prefix("/%7Euser"), "/b", "/~user/rest") == "/b/rest");
}

TEST_CASE("a route for every path has the prefix /") {
  CHECK(rewritten({}, "/api", "/x?y") == "/api/x?y");
  CHECK(rewritten({}, "/api", "/") == "/api/");
}

TEST_CASE("the target * has no prefix") {
  CHECK(rewritten({}, "/api", "*").empty());
}

}  // namespace
}  // namespace outrigger::exchange
