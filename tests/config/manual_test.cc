#include "config/manual.h"

#include <nlohmann/json.hpp>

#include "config/schema.h"
#include "config/troff.h"
#include "config/warnings.h"
#include "tests/support/catch.h"

namespace outrigger::config {
namespace {

TEST_CASE("the manual page names every block, key, default and warning") {
  const std::string page = manual();
  const auto has = [&page](const std::string& text) {
    return page.find(text) != std::string::npos;
  };
  for (const BlockText& block : block_texts()) {
    INFO(block.name);
    CHECK(has(".SS " + troff(block.name) + "\n"));
    for (const KeyText& key : block.keys) {
      INFO(key.name);
      CHECK(has("\n" + troff_bold(key.name) + ": " + troff(key.value)));
      if (key.is_literal) CHECK(has("; default " + troff(key.by_default)));
    }
  }
  for (const WarningKind& kind : kWarnings) CHECK(has("\n" + troff_bold(kind.name) + "\n"));
}

TEST_CASE("what troff would take as its own comes out as it was written") {
  CHECK(troff(".5 of it\n'so'\n.x") == "\\&.5 of it\n\\&\\(aqso\\(aq\n\\&.x");
  CHECK(troff("a\\b -c ^~") == "a\\eb \\-c \\(ha\\(ti");
  CHECK(troff("`off` or `on`") == "\\fBoff\\fR or \\fBon\\fR");
}

}  // namespace
}  // namespace outrigger::config
