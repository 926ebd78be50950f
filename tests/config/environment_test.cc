#include "config/environment.h"

#include "tests/config/loading.h"
#include "tests/support/catch.h"

namespace outrigger::config {
namespace {

using namespace std::chrono_literals;

Config with_id(const std::string& id, const Environment& environment) {
  return loaded(with_top("node:\n  id: " + id + "\n"), environment);
}
std::string id_of(const std::string& id, const Environment& environment = {}) {
  return with_id(id, environment).node.id;
}

TEST_CASE("references are replaced wherever they stand in a value") {
  const Environment environment = {{"A", "x"}, {"B_2", "y"}, {"EMPTY", ""}};
  CHECK(id_of("'${A}'", environment) == "x");
  CHECK(id_of("${A}", environment) == "x");
  CHECK(id_of("'<${A}-${B_2}>'", environment) == "<x-y>");
  CHECK(id_of("'${NONE:-z}'", environment) == "z");
  CHECK(id_of("'${NONE:-}'", environment).empty());
  CHECK(id_of("'${EMPTY:-z}'", environment) == "z");
  CHECK(id_of("'${EMPTY}'", environment).empty());
  CHECK(id_of("'${NONE:-a:-b}'", environment) == "a:-b");
}

TEST_CASE("a doubled dollar is a literal one") {
  const Environment environment = {{"A", "x"}};
  CHECK(id_of("'$${A}'", environment) == "${A}");
  CHECK(id_of("'$${A} ${A}'", environment) == "${A} x");
  CHECK(id_of("'$A $$'", environment) == "$A $$");
  CHECK_FALSE(with_id("'$${A}'", environment).from_environment.contains("node.id"));
}

TEST_CASE("a value from the environment is not looked at again") {
  CHECK(id_of("'${A}'", {{"A", "${B}"}, {"B", "x"}}) == "${B}");
}

TEST_CASE("values are typed as if unquoted") {
  const Environment environment = {{"N", "3"}, {"T", "90s"}, {"OFF", "off"}, {"NO", "false"}};
  const Config config = loaded(with_route("      retry: {max_retries: \"${N}\"}\n"
                                          "      timeouts: {request: '${T}', idle: \"${OFF}\"}\n"
                                          "      circuit_breaker: \"${NO}\"\n"),
                               environment);
  const Route& route = config.listeners[0].routes[0];
  CHECK(route.retry->max_retries == 3);
  CHECK(route.timeouts.request == 90s);
  CHECK_FALSE(route.timeouts.idle);
  CHECK_FALSE(route.circuit_breaker);
}

TEST_CASE("text from the environment may look like anything") {
  CHECK(id_of("'${A}'", {{"A", "123"}}) == "123");
  CHECK(id_of("'${A}'", {{"A", "true"}}) == "true");
  CHECK(id_of("'${A}'", {{"A", "a: [b\n- c"}}) == "a: [b\n- c");
}

TEST_CASE("what came from the environment is remembered by path") {
  const Config config = loaded(with_route("      match: {methods: ['${M}']}\n"), {{"M", "GET"}});
  CHECK(config.from_environment ==
        std::set<std::string>{"listeners[0].routes[0].match.methods[0]"});
}

TEST_CASE("a route that takes its name from a listener's hides it as well") {
  const Config config =
      loaded("listeners: [{name: '${N}', address: '127.0.0.1:1', routes: [{respond: {}}]}]\n",
             {{"N", "x"}});
  CHECK(config.listeners[0].routes[0].name == "x");
  CHECK(config.from_environment.contains("listeners[0].routes[0].name"));
}

TEST_CASE("what cannot be replaced is an error at its place") {
  CHECK(errors_of(with_top("node:\n  id: ${NONE}\n")) ==
        "f.yaml:4:7: node.id: the environment variable 'NONE' is not set "
        "(a default would be ${NONE:-…})\n");
  CHECK(errors_of(with_top("node: {id: 'a${B'}\n")) ==
        "f.yaml:3:12: node.id: '${' without a '}'\n");
  for (const char* reference : {"${}", "${1A}", "${A-B}", "${ A}", "${:-x}"}) {
    CHECK(errors_of(with_top("node: {id: '" + std::string{reference} + "'}\n")) ==
          "f.yaml:3:12: node.id: '" + std::string{reference} +
              "' is not a variable (expected ${NAME} or ${NAME:-default}; $${ is a literal)\n");
  }
  for (const Environment& environment : {Environment{}, Environment{{"A", "a"}}}) {
    CHECK(
        errors_of(with_top("node: {id: '${A:-${B:-x}}'}\n"), environment) ==
        "f.yaml:3:12: node.id: the default of 'A' cannot hold another ${…}: the first } ends it\n");
  }
  CHECK(errors_of(with_top("node: {id: '${A}'}\n"), {{"A", "\xff"}}) ==
        "f.yaml:3:12: node.id: the environment variable 'A' is not valid UTF-8\n");
}

TEST_CASE("a wrong value from the environment is named, not shown") {
  CHECK(errors_of(with_top("log: {level: '${LEVEL}'}\n"), {{"LEVEL", "secret"}}) ==
        "f.yaml:3:14: log.level: found the value of '${LEVEL}' "
        "(expected trace, debug, info, warn or error)\n");
}

TEST_CASE("no hint repeats a value from the environment") {
  const std::string text = with_route("      match: {path_regex: '${A}', methods: ['${A}']}\n");
  CHECK(errors_of(text, {{"A", "(secret"}}).find("secret") == std::string::npos);
  CHECK(errors_of(with_top("version: '${A}'\n"), {{"A", "77"}}) ==
        "f.yaml:3:10: version: '${A}' is not supported by this version (expected 1)\n");
}

TEST_CASE("a short file cannot become a huge one") {
  std::string id;
  for (int i = 0; i < 100; ++i) id += "${A}";
  CHECK(errors_of(with_top("node: {id: '" + id + "'}\n"), {{"A", std::string(1 << 20, 'a')}}) ==
        "f.yaml:3:12: node.id: the values from the environment are larger than 4 MiB in all\n");
}

TEST_CASE("keys are not replaced") {
  CHECK(errors_of(with_top("${A}: 1\n"), {{"A", "node"}}).starts_with("f.yaml:3:1: ${A}: unknown"));
}

}  // namespace
}  // namespace outrigger::config
