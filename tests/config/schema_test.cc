// The schema file, the reference and the full example against the descriptions of the keys.
// OUTRIGGER_WRITE_REFERENCE=1 in the environment writes the first three anew.
#include "config/schema.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "config/warnings.h"
#include "tests/config/loading.h"
#include "tests/support/catch.h"

namespace outrigger::config {
namespace {

using nlohmann::json;

bool is_writing() {
  return std::getenv("OUTRIGGER_WRITE_REFERENCE") != nullptr;
}

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream{path} << text;
}

TEST_CASE("the stored schema is that of this version") {
  const auto path = source_folder() / "schema" / "outrigger.schema.json";
  if (is_writing()) write(path, json_schema());
  CHECK((content_of(path) == json_schema()));
}

// The README's part between the marks of this name, written anew first where asked for.
std::string part_of_reference(const std::string& name, const std::string& made) {
  const auto path = source_folder() / "README.md";
  const std::string begin_mark = "<!-- " + name + " -->\n\n";
  const std::string end_mark = "<!-- end of " + name + " -->";
  std::string text = content_of(path);
  const auto begin = text.find(begin_mark);
  const auto end = text.find(end_mark);
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  const std::size_t from = begin + begin_mark.size();
  if (!is_writing()) return text.substr(from, end - from);
  write(path, text.replace(from, end - from, made));
  return made;
}

TEST_CASE("the reference names every key with its default") {
  CHECK((part_of_reference("keys", reference()) == reference()));

  CHECK(reference().find("| `max_retries` | `2` | a whole number from 0 to 10 |") !=
        std::string::npos);
  CHECK(reference().find("| `max_ejection_time` | `300s` |") != std::string::npos);
}

TEST_CASE("the reference names every warning") {
  CHECK((part_of_reference("warnings", warnings_reference()) == warnings_reference()));
}

TEST_CASE("blocks that defaults may complete require no key, items of lists do") {
  const auto blocks = nlohmann::json::parse(json_schema())["$defs"];
  for (const char* name : {"route.rate_limit", "route.mirror", "route.fault.abort"}) {
    CHECK_FALSE(blocks[name].contains("required"));
  }
  for (const char* name : {"route.match.header", "route.split.target", "listener", "upstream"}) {
    CHECK(blocks[name].contains("required"));
  }
}

TEST_CASE("every reference inside the schema leads to a block") {
  const json schema = json::parse(json_schema());
  const std::string text = schema.dump();
  const std::string mark = "\"#/$defs/";
  int references = 0;
  for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
    const auto start = at + mark.size();
    CHECK(schema["$defs"].contains(text.substr(start, text.find('"', start) - start)));
    ++references;
  }
  CHECK(references > 50);
}

TEST_CASE("the full example names every key that can be set") {
  const std::string full = content_of(source_folder() / "examples" / "full.yaml");
  const json schema = json::parse(json_schema());
  for (const auto& [name, block] : schema["$defs"].items()) {
    if (!block.contains("properties")) continue;
    for (const auto& [key, value] : block["properties"].items()) {
      if (!value.contains("$comment")) continue;  // not supported yet
      INFO(name << "." << key);
      CHECK((full.find(key + ":") != std::string::npos));
    }
  }
}

}  // namespace
}  // namespace outrigger::config
