#include "config/schema.h"

#include "config/describe.h"

namespace outrigger::config {
namespace {

Json whole_schema() {
  Definitions definitions;
  const Json root = Block<Config>{}.alternatives(definitions)[0];
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                 {"title", "outrigger configuration"}};
  schema.update(root);
  schema["$defs"] = definitions.take();
  schema["$defs"]["environment"] = {
      {"description", "A value from the environment."}, {"type", "string"}, {"pattern", "\\$\\{"}};
  return schema;
}

// The block of that name, and those that its keys hold, may be given in part: `defaults` hold the
// rest. Items of lists are whole, for lists are replaced whole.
void allow_parts(Json& blocks, const std::string& name);

void allow_parts_in(Json& blocks, const Json& value) {
  static const std::string kPrefix = "#/$defs/";
  if (value.contains("$ref")) {
    allow_parts(blocks, value["$ref"].get<std::string>().substr(kPrefix.size()));
  }
  if (!value.contains("anyOf")) return;
  for (const Json& alternative : value["anyOf"]) allow_parts_in(blocks, alternative);
}

void allow_parts(Json& blocks, const std::string& name) {
  blocks[name].erase("required");
  if (!blocks[name].contains("properties")) return;
  for (const Json& value : Json(blocks[name]["properties"])) allow_parts_in(blocks, value);
}

// The name of the block that a key holds, or of the items it holds; empty: none.
std::string block_of(const Json& schema) {
  static const std::string kPrefix = "#/$defs/";
  if (schema.contains("$ref")) {
    const auto name = schema["$ref"].get<std::string>().substr(kPrefix.size());
    return name == "environment" ? "" : name;
  }
  for (const char* inside : {"items", "additionalProperties"}) {
    if (schema.contains(inside) && schema[inside].is_object()) return block_of(schema[inside]);
  }
  if (!schema.contains("anyOf")) return "";
  for (const Json& alternative : schema["anyOf"]) {
    if (auto name = block_of(alternative); !name.empty()) return name;
  }
  return "";
}

std::string default_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string text = "[";
  for (const Json& item : value) text += (text.size() > 1 ? ", " : "") + default_text(item);
  return text + "]";
}

std::string default_cell(const Json& schema, bool is_required) {
  if (is_required) return "required";
  if (schema.contains("x-default")) return schema["x-default"].get<std::string>();
  if (!schema.contains("default")) return block_of(schema).empty() ? "none" : "see there";
  const std::string text = default_text(schema["default"]);
  return text.empty() ? "`\"\"`" : "`" + text + "`";
}

std::string anchor(const std::string& heading) {
  std::string text;
  for (const char c : heading) {
    if (c != '.') text += c;
  }
  return text;
}

std::string value_cell(const Json& schema) {
  std::string text = schema["$comment"].get<std::string>();
  const std::string block = block_of(schema);
  if (!block.empty()) text += " ([" + block + "](#" + anchor(block) + "))";
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string{"\\|"} : std::string{c};
  return escaped;
}

bool is_required(const Json& block, const std::string& key) {
  if (!block.contains("required")) return false;
  for (const Json& name : block["required"]) {
    if (name == key) return true;
  }
  return false;
}

std::string section(const std::string& name, const Json& block) {
  std::string text = "### " + name + "\n\n" + block["description"].get<std::string>() + "\n\n" +
                     "| key | default | value | meaning |\n|---|---|---|---|\n";
  std::string refused;
  for (const auto& [key, schema] : block["properties"].items()) {
    if (!schema.contains("$comment")) {
      refused += (refused.empty() ? "`" : ", `") + key + "`";
      continue;
    }
    text += "| `" + key + "` | " + default_cell(schema, is_required(block, key)) + " | " +
            value_cell(schema) + " | " + schema["description"].get<std::string>() + " |\n";
  }
  if (!refused.empty()) text += "\nKnown, but not supported by this version: " + refused + ".\n";
  return text + "\n";
}

}  // namespace

std::string json_schema() {
  Json schema = whole_schema();
  for (const char* block : {"defaults.route", "defaults.upstream"}) {
    allow_parts(schema["$defs"], block);
  }
  return schema.dump(2) + "\n";
}

std::string reference() {
  const Json schema = whole_schema();
  std::string text;
  for (const auto& [name, block] : schema["$defs"].items()) {
    if (block.contains("properties")) text += section(name, block);
  }
  return text;
}

}  // namespace outrigger::config
