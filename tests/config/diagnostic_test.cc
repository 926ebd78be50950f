#include "config/diagnostic.h"

#include "tests/support/catch.h"

namespace outrigger::config {
namespace {

TEST_CASE("a diagnostic reads as file, line, column, path and what is wrong") {
  CHECK(to_text("a.yaml", Diagnostic{14, 9, "listeners[0].name", "missing"}) ==
        "a.yaml:14:9: listeners[0].name: missing");
  CHECK(to_text("a.yaml", Diagnostic{2, 1, "", "not valid YAML"}) == "a.yaml:2:1: not valid YAML");
  CHECK(to_text("a.yaml", Diagnostic{0, 0, "", "cannot be read"}) == "a.yaml: cannot be read");
  CHECK(to_text("a.yaml", Diagnostic{2, 1, "a\x1b[2Jb", "unknown key"}) ==
        "a.yaml:2:1: a\\x1b[2Jb: unknown key");
}

TEST_CASE("diagnostics come sorted by place") {
  Diagnostics all;
  all.add({3, 1}, "c", "x");
  all.add({1, 9}, "b", "x");
  all.add({1, 2}, "a", "x");
  const auto sorted = all.take();
  REQUIRE(sorted.size() == 3);
  CHECK(sorted[0].path == "a");
  CHECK(sorted[1].path == "b");
  CHECK(sorted[2].path == "c");
}

TEST_CASE("the same message at the same place is kept once, under its first path") {
  Diagnostics all;
  all.add({1, 1}, "defaults.route", "x");
  all.add({1, 1}, "listeners[0].routes[0]", "x");
  all.add({1, 1}, "listeners[0].routes[0]", "y");
  const auto kept = all.take();
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].path == "defaults.route");
  CHECK(kept[1].message == "y");
}

TEST_CASE("the first thousand are kept, whatever the order they are found in, the rest counted") {
  Diagnostics all;
  for (int line = 1234; line > 0; --line) all.add({line, 1}, "p", "x");
  for (int again = 0; again < 3; ++again) all.add({1234, 1}, "another path", "x");
  const auto kept = all.take();
  REQUIRE(kept.size() == Diagnostics::kMaxDiagnostics + 1);
  CHECK(kept.front().line == 1);
  CHECK(kept[999].line == 1000);
  CHECK(to_text("f", kept[1000]) == "f: … and 234 more");
}

TEST_CASE("a slip finds its word, another word does not") {
  const std::vector<std::string_view> known = {"max_retries", "methods", "name", "path"};
  CHECK(did_you_mean("max_retires", known) == "did you mean 'max_retries'?");
  CHECK(did_you_mean("max-retries", known) == "did you mean 'max_retries'?");
  CHECK(did_you_mean("maxretries", known) == "did you mean 'max_retries'?");
  CHECK(did_you_mean("Methods", known) == "did you mean 'methods'?");
  CHECK(did_you_mean("nmae", known) == "did you mean 'name'?");
  CHECK(did_you_mean("timeouts", known).empty());
  CHECK(did_you_mean("xx", known).empty());
  CHECK(did_you_mean(std::string(1 << 20, 'a'), known).empty());
}

TEST_CASE("the user's words are cut and made visible in messages") {
  CHECK(in_quotes("a\nb\x01") == "'a\\nb\\x01'");
  CHECK(in_quotes(std::string(100, 'a')) == "'" + std::string(60, 'a') + "…'");
  CHECK(in_quotes(std::string(59, 'a') + "üb") == "'" + std::string(59, 'a') + "ü…'");
}

}  // namespace
}  // namespace outrigger::config
