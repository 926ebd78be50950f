#include "config/kinds.h"

#include <algorithm>

namespace outrigger::config {
namespace {

constexpr const char* kDecimalPattern = "[0-9]+(\\.[0-9]+)?";
constexpr const char* kRemoveQuotes = "remove the quotes";

Misfit fault(Hint hint = {}) {
  return {std::move(hint), false};
}

// A number in quotes is text, as everywhere in YAML.
std::optional<Misfit> not_a_number(const Yaml& node) {
  if (node.kind != Yaml::Kind::Scalar) return fault();
  if (!node.quoted) return std::nullopt;
  return fault(parse_decimal(node.text) ? kRemoveQuotes : "");
}

template <class T>
std::optional<Misfit> keep_in_range(const Result<T, Hint>& parsed, T min, T max, T& out) {
  if (!parsed) return fault(parsed.error());
  if (parsed.value() < min || parsed.value() > max) return fault();
  out = parsed.value();
  return std::nullopt;
}

std::string range(const std::string& what, const std::string& min, const std::string& max) {
  return what + " from " + min + " to " + max;
}

// What YAML readers take for something else than text when it stands without quotes.
std::string_view other_type(const Yaml& node) {
  if (node.quoted || node.from_environment()) return "";
  if (node.text == "true" || node.text == "false") return "a boolean";
  if (parse_decimal(node.text) || parse_decimal(node.text).error().find("zero") != Hint::npos) {
    return "a number";
  }
  return "";
}

}  // namespace

bool is_off(const Yaml& node) {
  return node.kind == Yaml::Kind::Scalar && (node.text == "off" || node.is("false"));
}

bool means_off(const Yaml& node) {
  std::string word = node.kind == Yaml::Kind::Scalar ? node.text : "";
  for (char& c : word) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return word == "off" || word == "false" || word == "no" || word == "none";
}

std::optional<Misfit> Whole::parse(const Yaml& node, Value& out) const {
  if (auto wrong = not_a_number(node)) return wrong;
  return keep_in_range(parse_whole(node.text), min, max, out);
}
Json Whole::alternatives() const {
  return Json::array({{{"type", "integer"}, {"minimum", min}, {"maximum", max}}});
}
std::string Whole::expected() const {
  return range("a whole number", std::to_string(min), std::to_string(max));
}

std::optional<Misfit> Decimal::parse(const Yaml& node, Value& out) const {
  if (auto wrong = not_a_number(node)) return wrong;
  return keep_in_range(parse_decimal(node.text), min, max, out);
}
Json Decimal::render(Value value) const {
  const auto whole = static_cast<std::int64_t>(value);
  return static_cast<double>(whole) == value ? Json(whole) : Json(value);
}
Json Decimal::alternatives() const {
  return Json::array({{{"type", "number"}, {"minimum", render(min)}, {"maximum", render(max)}}});
}
std::string Decimal::expected() const {
  return range("a number", decimal_text(min), decimal_text(max));
}

std::optional<Misfit> Size::parse(const Yaml& node, Value& out) const {
  if (node.kind != Yaml::Kind::Scalar) return fault();
  if (node.quoted && parse_whole(node.text)) return fault(kRemoveQuotes);
  return keep_in_range(parse_size(node.text), min, max, out);
}
Json Size::render(Value value) const {
  return value == 0 || value % 1024 != 0 ? Json(value) : Json(size_text(value));
}
Json Size::alternatives() const {
  const std::string pattern = std::string{"^"} + kDecimalPattern + "(KiB|MiB|GiB)$";
  return Json::array({{{"type", "integer"}, {"minimum", min}, {"maximum", max}},
                      {{"type", "string"}, {"pattern", pattern}}});
}
std::string Size::expected() const {
  return range("a size in bytes, KiB, MiB or GiB", size_text(min), size_text(max));
}

std::optional<Misfit> Time::parse(const Yaml& node, Value& out) const {
  if (node.kind != Yaml::Kind::Scalar) return fault();
  return keep_in_range(parse_duration(node.text), min, max, out);
}
Json Time::alternatives() const {
  const std::string pattern = std::string{"^"} + kDecimalPattern + "(ms|s|m|h|d)$";
  Json all = Json::array({{{"type", "string"}, {"pattern", pattern}}});
  if (min == Value{0}) all.push_back({{"const", 0}});
  return all;
}
std::string Time::expected() const {
  return range("a duration", duration_text(min), duration_text(max));
}

std::optional<Misfit> Flag::parse(const Yaml& node, Value& out) const {
  const bool yes = node.is("true") || (node.kind == Yaml::Kind::Scalar && node.text == "on");
  if (!yes && !is_off(node)) return fault(node.text == "true" ? kRemoveQuotes : "");
  out = yes;
  return std::nullopt;
}
Json Flag::alternatives() const {
  return Json::array({{{"type", "boolean"}}, {{"enum", {"on", "off"}}}});
}

std::optional<Misfit> Text::parse(const Yaml& node, Value& out) const {
  if (node.kind != Yaml::Kind::Scalar) return fault();
  std::string text = node.text;
  // A hint may repeat what the environment holds.
  if (auto hint = rule.check(text)) return fault(node.from_environment() ? "" : std::move(*hint));
  const std::string_view other = other_type(node);
  if (!other.empty()) return fault("it reads as " + std::string{other} + ": put it in quotes");
  out = std::move(text);
  return std::nullopt;
}
Json Text::alternatives() const {
  Json schema = {{"type", "string"}};
  if (!rule.pattern.empty()) schema["pattern"] = std::string{rule.pattern};
  return Json::array({schema});
}

Misfit wrong_word(const Yaml& node, std::span<const std::string_view> known,
                  std::span<const std::string_view> unsupported) {
  if (node.kind != Yaml::Kind::Scalar) return fault();
  if (std::find(unsupported.begin(), unsupported.end(), node.text) != unsupported.end()) {
    return {{}, true};
  }
  return fault(did_you_mean(node.text, known));
}

}  // namespace outrigger::config
