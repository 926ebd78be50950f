#include "config/manual.h"

#include <algorithm>

#include "config/schema.h"
#include "config/troff.h"
#include "config/warnings.h"

namespace outrigger::config {
namespace {

constexpr std::string_view kDescription =
    R"(
`outrigger run` reads one YAML document, `outrigger check` says what is wrong with it. Nothing is
guessed: an unknown or duplicate key, a wrong type, a number out of range, a reference to nothing
and a contradiction are errors, all of them in one report, each with file, line and column. At a
start the exit status is then 2; at a reload the running configuration stays.

Durations have a unit, `ms`, `s`, `m`, `h` or `d`; only 0 needs none. Sizes are bytes, or have
`KiB`, `MiB` or `GiB`. Percents are numbers from 0 to 100. `off` switches off what says so, and
`false` is the same.

`${NAME}` and `${NAME:-default}` in any value come from the environment, before types are looked
at; a variable that is not set and has no default is an error. `$${` is a literal `${`.

A block that is absent has the values stated as defaults, or is off where `off` is its default;
one that is present is on, with the defaults stated for what it leaves out.)";

constexpr std::string_view kExample = R"(listeners:
  - address: 127.0.0.1:8080
    routes:
      - upstream: app

upstreams:
  app:
    endpoints: ["127.0.0.1:9001", "127.0.0.1:9002"])";

std::string paragraphs(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find("\n\n", at), text.size());
    out += ".PP\n" + troff(text.substr(at, end - at)) + "\n";
    at = end + 2;
  }
  return out;
}

std::string key_item(const KeyText& key) {
  std::string item = troff_bold(key.name) + ": " + troff(key.value);
  if (!key.block.empty()) item += ", see " + troff_bold(key.block);
  std::string by_default = "; default " + troff(key.by_default);
  if (key.by_default == "required") by_default = "; required";
  if (key.by_default == "none") by_default = "; no default";
  if (key.by_default == "see there") by_default.clear();
  return troff_item(item + by_default, troff(key.meaning));
}

std::string block_section(const BlockText& block) {
  std::string text = ".SS " + troff(block.name) + "\n" + troff(block.description) + "\n";
  for (const KeyText& key : block.keys) text += key_item(key);
  std::string refused;
  for (const std::string& name : block.refused) {
    refused += (refused.empty() ? "" : ", ") + troff_bold(name);
  }
  if (!refused.empty()) {
    text += ".PP\nKnown, but not supported by this version: " + refused + ".\n";
  }
  return text;
}

}  // namespace

std::string manual() {
  std::string text = troff_page("outrigger.yaml", 5, "what outrigger(1) is told to do");
  text += ".SH DESCRIPTION\n" + paragraphs(kDescription.substr(1));
  text += ".SH EXAMPLE\n.EX\n" + troff(kExample) + "\n.EE\n";
  text += ".SH KEYS\nThe headings are the blocks of keys, the first the file itself.\n";
  for (const BlockText& block : block_texts()) text += block_section(block);
  text += ".SH WARNINGS\n" +
          troff(
              "`outrigger check` warns of settings that defeat one another; "
              "`check.ignore` silences a warning by its name.") +
          "\n";
  for (const WarningKind& kind : kWarnings) {
    text += troff_item(
        troff_bold(kind.name),
        troff(std::string(kind.meaning) + " As a rule: " + std::string(kind.advice) + "."));
  }
  return text + ".SH SEE ALSO\n.BR outrigger (1)\n";
}

}  // namespace outrigger::config
