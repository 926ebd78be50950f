#include "config/composites.h"

#include <algorithm>

namespace outrigger::config {
namespace {

std::string unknown_key(std::string_view key, std::span<const std::string_view> known,
                        std::span<const std::string_view> supported) {
  if (key == "true") return "unknown key (some YAML tool turned 'on' into 'true')";
  const std::string hint = did_you_mean(key, known);
  return "unknown key (" + (hint.empty() ? "expected " + one_of(supported) : hint) + ")";
}

bool is_inert(const Yaml& node, std::span<const std::string_view> inert) {
  return std::any_of(inert.begin(), inert.end(), [&](std::string_view value) {
    if (value == "[]") return node.kind == Yaml::Kind::List && node.items.empty();
    if (value == "off") return is_off(node);
    return node.kind == Yaml::Kind::Scalar && node.text == value;
  });
}

Json inert_schema(std::span<const std::string_view> inert) {
  Json words = Json::array();
  bool empty_list = false;
  for (const std::string_view word : inert) {
    if (word == "[]") {
      empty_list = true;
    } else if (const auto number = parse_whole(word)) {
      words.push_back(number.value());
    } else {
      words.push_back(word);
      if (word == "off") words.push_back(false);
    }
  }
  if (empty_list) return {{"type", "array"}, {"maxItems", 0}};
  return {{"enum", words}};
}

}  // namespace

void report(Reader& in, const Yaml& node, const Misfit& fault, const std::string& expected) {
  if (!fault.unsupported) return in.expected(node, expected, fault.hint);
  const std::string what = node.from_environment() ? node.written : node.text;
  in.fail(node.at, in_quotes(what) + " " + kUnsupported + " (expected " + expected + ")");
}

Json any_of(Json alternatives) {
  const bool is_container =
      std::any_of(alternatives.begin(), alternatives.end(), [](const Json& schema) {
        const std::string type = schema.value("type", "");
        return type == "array" || type == "object" || schema.contains("$ref");
      });
  const bool any_text = alternatives.size() == 1 && alternatives[0] == Json{{"type", "string"}};
  // A `${…}` stands for a scalar only; any text takes it as it is.
  const bool only_container = is_container && alternatives.size() == 1;
  if (!any_text && !only_container) alternatives.push_back({{"$ref", "#/$defs/environment"}});
  if (alternatives.size() == 1) return alternatives[0];
  return {{"anyOf", std::move(alternatives)}};
}

void BlockReader::unsupported(std::string_view name, std::vector<std::string_view> inert) {
  known_.push_back(name);
  const Yaml* node = map_.find(name);
  if (!node || is_inert(*node, inert)) return;
  const auto step = in_.into(name);
  in_.fail(node->key_at, kUnsupported);
}

void BlockReader::finish() {
  for (const Yaml& item : map_.items) {
    if (std::find(known_.begin(), known_.end(), item.key) != known_.end()) continue;
    const auto step = in_.into(item.key);
    in_.fail(item.key_at, unknown_key(item.key, known_, supported_));
  }
}

const Yaml* BlockReader::take(std::string_view name) {
  known_.push_back(name);
  supported_.push_back(name);
  return map_.find(name);
}

void BlockReader::missing(std::string_view name, const std::string& expected) {
  if (in_.partial) return;
  const auto step = in_.into(name);
  in_.fail(map_.at, "missing (expected " + expected + ")");
}

void SchemaMaker::block(std::string_view name, std::string_view doc) {
  name_ = name;
  doc_ = doc;
  definitions_.reserve(name_);
}

void SchemaMaker::unsupported(std::string_view name, std::vector<std::string_view> inert) {
  Json schema = inert.empty() ? Json{{"not", Json::object()}} : inert_schema(inert);
  schema["description"] = "Not supported by this version.";
  properties_[std::string{name}] = std::move(schema);
}

void SchemaMaker::add(std::string_view name, Json schema, const std::string& expected,
                      std::string_view doc) {
  schema["description"] = doc;
  schema["$comment"] = expected;
  properties_[std::string{name}] = std::move(schema);
}

void SchemaMaker::set_default(std::string_view name, const Json& value,
                              std::string_view by_default) {
  Json& schema = properties_[std::string{name}];
  if (!by_default.empty()) {
    schema["x-default"] = by_default;
  } else if (!value.is_null() && !value.is_object()) {
    schema["default"] = value;
  }
}

Json SchemaMaker::finish() {
  Json schema = {{"type", "object"}, {"description", doc_}, {"additionalProperties", false}};
  if (!required_.empty()) schema["required"] = required_;
  schema["properties"] = std::move(properties_);
  definitions_.set(name_, std::move(schema));
  return {{"$ref", "#/$defs/" + name_}};
}

}  // namespace outrigger::config
