// Kinds of values: how each is read, shown and described.
//
// A kind is said once, beside its key in describe_*.h; loader, effective configuration, schema
// and reference all come from it. A leaf is one scalar:
//
//   Value                  what it gives
//   parse(node, out)       a Misfit where the scalar does not fit
//   render(value)          the JSON that reads back as the same value
//   alternatives()         a JSON array of the schemas that fit
//   expected()             "a whole number from 0 to 10"
//
// Lists and blocks are in composites.h.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"
#include "config/reader.h"
#include "config/text.h"
#include "config/words.h"

namespace outrigger::config {

using Json = nlohmann::ordered_json;

struct Misfit {
  Hint hint;
  bool unsupported = false;  // known, but not built yet
};

inline constexpr const char* kUnsupported = "is not supported by this version";

template <class K>
concept Leaf = requires {
  typename K::Value;
};

struct Whole {
  using Value = std::uint64_t;
  Value min;
  Value max;

  std::optional<Misfit> parse(const Yaml& node, Value& out) const;
  Json render(Value value) const { return value; }
  Json alternatives() const;
  std::string expected() const;
};

struct Decimal {
  using Value = double;
  Value min;
  Value max;

  std::optional<Misfit> parse(const Yaml& node, Value& out) const;
  Json render(Value value) const;
  Json alternatives() const;
  std::string expected() const;
};

struct Size {
  using Value = std::uint64_t;
  Value min;
  Value max;

  std::optional<Misfit> parse(const Yaml& node, Value& out) const;
  Json render(Value value) const;
  Json alternatives() const;
  std::string expected() const;
};

struct Time {
  using Value = Duration;
  Value min = std::chrono::milliseconds{1};
  Value max = std::chrono::hours{24};

  std::optional<Misfit> parse(const Yaml& node, Value& out) const;
  Json render(Value value) const { return duration_text(value); }
  Json alternatives() const;
  std::string expected() const;
};

struct Flag {
  using Value = bool;

  std::optional<Misfit> parse(const Yaml& node, Value& out) const;
  Json render(Value value) const { return value; }
  Json alternatives() const;
  std::string expected() const { return "true or false"; }
};

struct Text {
  using Value = std::string;
  TextRule rule;

  std::optional<Misfit> parse(const Yaml& node, Value& out) const;
  Json render(const Value& value) const { return value; }
  Json alternatives() const;
  std::string expected() const { return std::string{rule.expected}; }
};

// A word that is not among `known`: what to say of it.
Misfit wrong_word(const Yaml& node, std::span<const std::string_view> known,
                  std::span<const std::string_view> unsupported);

template <class E>
struct Word {
  using Value = E;
  std::vector<std::string_view> unsupported = {};

  static std::vector<std::string_view> known() {
    std::vector<std::string_view> names;
    for (const auto& [name, value] : words(E{})) names.push_back(name);
    return names;
  }
  std::optional<Misfit> parse(const Yaml& node, Value& out) const {
    for (const auto& [name, value] : words(E{})) {
      if (node.kind != Yaml::Kind::Scalar || node.text != name) continue;
      out = value;
      return std::nullopt;
    }
    return wrong_word(node, known(), unsupported);
  }
  Json render(Value value) const { return std::string{word_of(value)}; }
  Json alternatives() const { return Json::array({{{"enum", known()}}}); }
  std::string expected() const { return one_of(known()); }
};

bool is_off(const Yaml& node);
// A word that elsewhere says off: `Off`, `False`, `no`, `none`.
bool means_off(const Yaml& node);
inline constexpr const char* kDidYouMeanOff = "did you mean 'off'?";

// A leaf, or the word `auto`, which gives an empty optional.
template <Leaf K>
struct Auto {
  using Value = std::optional<typename K::Value>;
  K kind;

  std::optional<Misfit> parse(const Yaml& node, Value& out) const {
    if (node.kind == Yaml::Kind::Scalar && node.text == "auto") return std::nullopt;
    return kind.parse(node, out.emplace());
  }
  Json render(const Value& value) const { return value ? kind.render(*value) : Json("auto"); }
  Json alternatives() const {
    Json all = kind.alternatives();
    all.push_back({{"const", "auto"}});
    return all;
  }
  std::string expected() const { return kind.expected() + ", or auto"; }
};

// A leaf that may be left out; it has no value then.
template <Leaf K>
struct Maybe {
  using Value = std::optional<typename K::Value>;
  K kind;

  std::optional<Misfit> parse(const Yaml& node, Value& out) const {
    return kind.parse(node, out.emplace());
  }
  Json render(const Value& value) const { return value ? kind.render(*value) : Json{}; }
  Json alternatives() const { return kind.alternatives(); }
  std::string expected() const { return kind.expected(); }
};

inline constexpr Decimal kPercent{0, 100};

}  // namespace outrigger::config
