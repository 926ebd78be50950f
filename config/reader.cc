#include "config/reader.h"

#include <algorithm>
#include <array>

#include "config/kinds.h"
#include "config/quantity.h"

namespace outrigger::config {
namespace {

std::size_t size_of(const Yaml& node) {
  std::size_t n = 1;
  for (const Yaml& item : node.items) n += size_of(item);
  return n;
}

// A block of which only one of some keys may be given.
struct Choice {
  std::string_view block;
  std::array<std::string_view, 2> keys;
};
constexpr std::array<Choice, 3> kChoices = {{{"fallback", {"respond", "upstream"}},
                                             {"hash_on", {"header", "cookie"}},
                                             {"health_check", {"http", "tcp"}}}};

// Whether what `own` names excludes an inherited `key`. What it only switches off does not.
bool displaces(const Yaml& own, std::string_view key) {
  const auto names = [&own](std::string_view other) {
    const Yaml* named = own.find(other);
    return named && !is_off(*named);
  };
  return std::ranges::any_of(kChoices, [&](const Choice& choice) {
    return own.key == choice.block && std::ranges::find(choice.keys, key) != choice.keys.end() &&
           std::ranges::any_of(choice.keys, names);
  });
}

void inherit(const Yaml& base, Yaml& own) {
  if (base.kind != Yaml::Kind::Map || own.kind != Yaml::Kind::Map) return;
  for (const Yaml& theirs : base.items) {
    Yaml* ours = nullptr;
    for (Yaml& item : own.items) {
      if (item.key == theirs.key) ours = &item;
    }
    if (ours) {
      inherit(theirs, *ours);
    } else if (!displaces(own, theirs.key)) {
      own.items.push_back(theirs);
    }
  }
}

}  // namespace

std::string found(const Yaml& node) {
  switch (node.kind) {
    case Yaml::Kind::List:
      return "found a list";
    case Yaml::Kind::Map:
      return "found a map";
    case Yaml::Kind::Scalar:
      // The value may be a secret; its name is enough to find it.
      if (node.from_environment()) return "found the value of " + in_quotes(node.written);
      // Quotes matter only where they made text of something else.
      return (node.quoted && parse_decimal(node.text) ? "found the text " : "found ") +
             in_quotes(node.text);
    case Yaml::Kind::Null:
    case Yaml::Kind::Broken:
      break;
  }
  return "found nothing";
}

void Reader::expected(const Yaml& node, const std::string& what, const std::string& hint) {
  if (node.kind == Yaml::Kind::Broken) return;
  fail(node.at, found(node) + " (expected " + what + (hint.empty() ? "" : "; " + hint) + ")");
}

std::optional<Yaml> merge(const Yaml& base, const Yaml& own, std::size_t& inheritable) {
  if (inheritable == 0) return std::nullopt;
  const std::size_t size = size_of(base);
  if (size > std::min(inheritable, kMaxDefaults)) {
    inheritable = 0;
    return std::nullopt;
  }
  inheritable -= size;
  Yaml merged = own;
  inherit(base, merged);
  return merged;
}

}  // namespace outrigger::config
