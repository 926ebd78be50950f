// Every warning against files that have it and files that just do not: files/NAME.has*.yaml begin
// with the lines that they must give, files/NAME.hasnt*.yaml give none at all.
#include "proxy/lint/lint.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/load.h"
#include "config/warnings.h"
#include "tests/support/catch.h"

namespace outrigger::lint {
namespace {

namespace fs = std::filesystem;

constexpr Surroundings kHere{.max_descriptors = 65536};

std::string content_of(const fs::path& path) {
  std::ifstream file{path};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// As `check` prints them, without the name of the file.
std::string warnings_of(const std::string& text, const config::Environment& environment = {}) {
  config::Places places;
  const auto loaded = config::load_text(text, "", environment, &places);
  if (!loaded) throw std::runtime_error("does not load:\n" + config::to_text("", loaded.error()));
  std::string all;
  for (const std::string& line : lines("", warnings(loaded.value(), places, kHere))) {
    all += line.substr(1) + "\n";
  }
  return all;
}

std::string expected_in(const std::string& text, std::string_view without = "nothing") {
  std::istringstream lines{text};
  std::string expected;
  for (std::string line; std::getline(lines, line) && line.starts_with("# ");) {
    const bool silenced = line.find("warning[" + std::string{without} + "]") != line.npos;
    if (!silenced) expected += line.substr(2) + "\n";
  }
  return expected;
}

std::vector<fs::path> files_of(std::string_view warning, const std::string& kind) {
  std::vector<fs::path> files;
  const std::string begin = std::string{warning} + "." + kind;
  for (const auto& entry :
       fs::directory_iterator(fs::path{OUTRIGGER_SOURCE_DIR} / "tests/lint/files")) {
    const std::string name = entry.path().filename().string();
    const bool variant = name.starts_with(begin + ".") || name.starts_with(begin + "-");
    if (variant) files.push_back(entry.path());
  }
  return files;
}

TEST_CASE("each warning comes from the files that have it, with place and numbers") {
  for (const auto& kind : config::kWarnings) {
    const auto files = files_of(kind.name, "has");
    INFO(kind.name);
    REQUIRE(!files.empty());
    for (const fs::path& file : files) {
      INFO(file.filename().string());
      const std::string text = content_of(file);
      CHECK(warnings_of(text) == expected_in(text));
      CHECK(expected_in(text).find("warning[" + std::string{kind.name} + "]") != std::string::npos);
    }
  }
}

TEST_CASE("and from none of those that just do not") {
  for (const auto& kind : config::kWarnings) {
    const auto files = files_of(kind.name, "hasnt");
    INFO(kind.name);
    REQUIRE(!files.empty());
    for (const fs::path& file : files) {
      INFO(file.filename().string());
      CHECK(warnings_of(content_of(file)) == "");
    }
  }
}

TEST_CASE("check.ignore silences by name") {
  for (const auto& kind : config::kWarnings) {
    for (const fs::path& file : files_of(kind.name, "has")) {
      INFO(file.filename().string());
      const std::string text = content_of(file);
      CHECK(warnings_of(text + "check: {ignore: [" + std::string{kind.name} + "]}\n") ==
            expected_in(text, kind.name));
      const char* other = kind.name == "fd-limit" ? "delete-retried" : "fd-limit";
      CHECK(warnings_of(text + "check: {ignore: [" + other + "]}\n") == expected_in(text));
    }
  }
}

TEST_CASE("the examples give no warning") {
  for (const char* name : {"minimal.yaml", "full.yaml"}) {
    INFO(name);
    CHECK(warnings_of(content_of(fs::path{OUTRIGGER_SOURCE_DIR} / "config/examples" / name)) == "");
  }
}

TEST_CASE("what many routes inherit is warned of once, where it is written") {
  const std::string text =
      "defaults:\n"
      "  route:\n"
      "    timeouts: {per_try: 2s}\n"
      "listeners:\n"
      "  - address: 127.0.0.1:8080\n"
      "    routes:\n"
      "      - {name: a, match: {path: /a}, upstream: app}\n"
      "      - {name: b, match: {path: /b}, upstream: app}\n"
      "upstreams: {app: {endpoints: ['10.0.0.1:80']}}\n";
  const std::string found = warnings_of(text);
  CHECK(std::count(found.begin(), found.end(), '\n') == 1);
  CHECK(found.starts_with(
      "3:25: warning[per-try-without-retry]: listeners[0].routes[0].timeouts.per_try: "));
}

TEST_CASE("of very many the first thousand are printed, and how many more there are") {
  std::string text =
      "listeners: [{address: '127.0.0.1:8080', routes: [{respond: {}}]}]\nupstreams:\n";
  for (int i = 0; i < 1234; ++i) {
    text += "  u" + std::to_string(i) + ": {endpoints: ['127.0.0.1:1']}\n";
  }
  const std::string printed = warnings_of(text);
  CHECK(std::ranges::count(printed, '\n') == kMaxLines + 1);
  CHECK(printed.ends_with("\n … and 234 more\n"));
}

TEST_CASE("a block is found at its key, and values from the environment are not shown") {
  const std::string text =
      "listeners:\n"
      "  - address: ${ADDRESS}\n"
      "    direction: outbound\n"
      "    routes: [{upstream: app}]\n"
      "upstreams:\n"
      "  app: {endpoints: ['10.0.0.1:80']}\n"
      "  spare:\n"
      "    endpoints: ['10.0.0.1:80']\n";
  const std::string found = warnings_of(text, {{"ADDRESS", "10.9.8.7:80"}});
  CHECK(
      found.starts_with("2:14: warning[outbound-not-loopback]: listeners[0].address: (from the "));
  CHECK(found.find("\n7:3: warning[unused-upstream]: upstreams.spare: ") != std::string::npos);
  CHECK(found.find("10.9.8.7") == std::string::npos);
}

TEST_CASE("the hard descriptor limit may be none") {
  config::Places places;
  const auto file = files_of("fd-limit", "has").at(0);
  const auto loaded = config::load_file(file, {}, &places);
  REQUIRE(loaded);
  CHECK(warnings(loaded.value(), places, {}).empty());
  CHECK(warnings(loaded.value(), places, {.max_descriptors = 0}).size() == 1);
}

}  // namespace
}  // namespace outrigger::lint
