// A configuration file: it is refused with diagnostics, or it loads, and then can be shown, linted
// and compiled, and what is shown loads as the same.
#include <memory>

#include "config/load.h"
#include "config/render.h"
#include "proxy/exchange/scope.h"
#include "proxy/lint/lint.h"
#include "tests/fuzz/fuzzing.h"

namespace outrigger::fuzz {
namespace {

const config::Environment kNone;
const config::Environment kSome = {{"PORT", "8080"},
                                   {"EMPTY", ""},
                                   {"NAME", "app"},
                                   {"TIME", "3s"},
                                   {"EVIL", "a: [b, {c: d}]\n- '\""}};

void reads_back(const config::Config& config) {
  const std::string shown = config::to_json(config);
  const auto again = config::load_text(shown, "f.yaml", kNone);
  if (!again) std::fprintf(stderr, "%s\n", config::to_text(shown, again.error()).c_str());
  INVARIANT(again);
  INVARIANT(config::to_json(again.value()) == shown);
}

void target(std::string_view input) {
  for (const auto* environment : {&kNone, &kSome}) {
    config::Places places;
    auto loaded = config::load_text(input, "f.yaml", *environment, &places);
    if (!loaded) {
      INVARIANT(!loaded.error().empty());
      config::to_text("f.yaml", loaded.error());
      continue;
    }
    const auto config = std::make_shared<const config::Config>(std::move(loaded.value()));
    lint::lines("f.yaml", lint::warnings(*config, places, {}));
    exchange::compile(config, [](const config::Route& route) {
      return std::make_shared<exchange::RouteState>(route, 1);
    });
    // What came from the environment is shown as `***`.
    if (input.find("${") == std::string_view::npos) reads_back(*config);
  }
}

}  // namespace
}  // namespace outrigger::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  outrigger::fuzz::target(outrigger::fuzz::text_of(data, size));
  return 0;
}
