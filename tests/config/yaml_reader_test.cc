#include "config/yaml_reader.h"

#include <chrono>

#include "tests/support/catch.h"

namespace outrigger::config {
namespace {

using namespace std::chrono_literals;

struct Outcome {
  std::optional<Yaml> root;
  std::string errors;
};

Outcome read(std::string_view text) {
  Diagnostics diagnostics;
  Outcome outcome;
  outcome.root = read_yaml(text, diagnostics);
  outcome.errors = to_text("f", diagnostics.take());
  return outcome;
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST_CASE("places count lines and characters from 1") {
  const auto outcome = read("a: ü\nb: {ü: x, y: [1]}\r\nc:\n  - d\n");
  REQUIRE(outcome.root);
  const Yaml& b = *outcome.root->find("b");
  CHECK(b.key_at.line == 2);
  CHECK(b.at.column == 4);
  CHECK(b.find("y")->key_at.column == 11);
  CHECK(b.find("y")->items[0].at.column == 15);
  CHECK(outcome.root->find("c")->items[0].at.line == 4);
  CHECK(outcome.root->find("c")->items[0].at.column == 5);
}

TEST_CASE("a byte order mark moves nothing") {
  const auto outcome = read(
      "\xef\xbb\xbf"
      "a: 1\n");
  REQUIRE(outcome.root);
  CHECK(outcome.root->find("a")->key_at.column == 1);
  CHECK(outcome.root->find("a")->at.column == 4);
}

TEST_CASE("an empty value stands where its key does") {
  const auto outcome = read("a:\n\n\nb: 1\n");
  REQUIRE(outcome.root);
  CHECK(outcome.root->find("a")->kind == Yaml::Kind::Null);
  CHECK(outcome.root->find("a")->at.line == 1);
}

TEST_CASE("quotes are remembered, block scalars are quoted") {
  const auto outcome = read("a: 1\nb: '1'\nc: \"1\"\nd: |\n  1\n");
  REQUIRE(outcome.root);
  CHECK_FALSE(outcome.root->find("a")->quoted);
  for (const char* key : {"b", "c", "d"}) CHECK(outcome.root->find(key)->quoted);
}

TEST_CASE("what YAML can and a configuration must not is refused, with its place") {
  struct Row {
    const char* text;
    const char* errors;
  };
  const Row rows[] = {
      {"a: 1\nb: 2\na: 3\n", "f:3:1: a: duplicate key (first on line 1)\n"},
      {"x: [{a: 1, 'a': 2}]\n", "f:1:12: x[0].a: duplicate key (first on line 1)\n"},
      {"a: &x 1\nb: *x\n",
       "f:1:4: a: anchors are not supported\n"
       "f:2:4: b: aliases are not supported (write the value out, or use 'defaults')\n"},
      {"a: *x\n", "f:1:4: not valid YAML: the referenced anchor is not defined\n"},
      {"a: !!int 5\nb: ! 5\nc: !x {d: 1}\n",
       "f:1:4: a: tags are not supported\n"
       "f:2:4: b: tags are not supported\n"
       "f:3:4: c: tags are not supported\n"},
      {"a:\n  <<: {b: 1}\n", "f:2:3: a: merge keys are not supported (use 'defaults')\n"},
      {"a: 1\n---\nb: 2\n", "f:2:1: text after the end of the document (expected one)\n"},
      {"{a: 1} b\n", "f:1:8: text after the end of the document (expected one)\n"},
      {"a: 1\n...\nb\n", "f:3:1: text after the end of the document (expected one)\n"},
      {",", "f:1:1: text after the end of the document (expected one)\n"},
      {"? [a]\n: 1\n", "f:1:3: a key must be plain text\n"},
      {"~: 1\n", "f:1:1: a key must be plain text\n"},
      {"a: [1\n", "f:2:1: not valid YAML: end of sequence flow not found\n"},
      {"a: ]\n", "f:1:4: not valid YAML: illegal flow end\n"},
      {"a: \"x\\0y\"\n", "f:1:4: a: a NUL character is not allowed\n"},
      {"a: \"\xff\"\n", "f:1:5: the file is not valid UTF-8\n"},
      {"a: \xed\xa0\x80\n", "f:1:4: the file is not valid UTF-8\n"},
      {"a: \xc0\xaf\n", "f:1:4: the file is not valid UTF-8\n"},
      {"a: ü\n\x04: 1\n", "f:2:1: a control character is not allowed\n"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(read(row.text).errors == row.errors);
  }
}

TEST_CASE("a NUL is refused wherever it stands") {
  using namespace std::string_literals;
  CHECK(read("a: 1\n\0b"s).errors == "f:2:1: a NUL character is not allowed\n");
}

TEST_CASE("a text without a document is an empty one") {
  for (const char* text : {"", "\n", "# only a comment\n", "---\n"}) {
    const auto outcome = read(text);
    REQUIRE(outcome.root);
    CHECK(outcome.root->kind == Yaml::Kind::Null);
    CHECK(outcome.errors.empty());
  }
}

TEST_CASE("depth is bounded") {
  CHECK(read(repeat("[", 64) + repeat("]", 64)).errors.empty());
  CHECK(read(repeat("[", 100) + repeat("]", 100)).errors == "f:1:65: nested more than 64 deep\n");
  CHECK(read(repeat("{a: ", 100)).errors == "f:1:253: nested more than 64 deep\n");
  CHECK(read(repeat("- ", 100) + "a").errors == "f:1:129: nested more than 64 deep\n");
}

TEST_CASE("size is bounded") {
  CHECK(read(std::string(5 << 20, 'a')).errors == "f: the file is larger than 4 MiB\n");
  const auto outcome = read("[" + repeat("1,", 300'000) + "]");
  CHECK_FALSE(outcome.root);
  CHECK(outcome.errors == "f:1:400000: the file holds more than 200000 values\n");
}

TEST_CASE("no text within the bounds takes long") {
  const std::size_t bytes = 1 << 20;
  const std::string texts[] = {
      repeat("[", bytes),
      repeat("{", bytes),
      repeat("- ", bytes / 2),
      repeat("a: ", bytes / 3),
      repeat("? ", bytes / 2),
      repeat("*a ", bytes / 3),
      repeat("&a ", bytes / 3),
      repeat("! ", bytes / 2),
      repeat(",", bytes),
      repeat("\"", bytes),
      repeat("'", bytes),
      repeat("a\n", bytes / 2),
      repeat("a: b\n", bytes / 5),
      repeat("- a\n", bytes / 4),
      repeat("# ", bytes / 2),
      repeat("---\n", bytes / 4),
      repeat("%A\n", bytes / 3),
      repeat("\n", bytes),
      repeat(" ", bytes),
      repeat("|\n ", bytes / 3),
      "a: |\n" + repeat(" x\n", bytes / 3),
      "a: \"" + repeat("\\u00fc", bytes / 6) + "\"",
  };
  for (const std::string& text : texts) {
    INFO(text.substr(0, 20));
    const auto start = std::chrono::steady_clock::now();
    read(text);
    CHECK(std::chrono::steady_clock::now() - start < 20s);
  }
}

}  // namespace
}  // namespace outrigger::config
