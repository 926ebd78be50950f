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

bool is_required(const Json& block, const std::string& key) {
  if (!block.contains("required")) return false;
  for (const Json& name : block["required"]) {
    if (name == key) return true;
  }
  return false;
}

KeyText key_text(const std::string& name, const Json& schema, bool required) {
  KeyText text{.name = name,
               .by_default = "none",
               .is_literal = false,
               .value = schema["$comment"].get<std::string>(),
               .block = block_of(schema),
               .meaning = schema["description"].get<std::string>()};
  if (required) {
    text.by_default = "required";
  } else if (schema.contains("x-default")) {
    text.by_default = schema["x-default"].get<std::string>();
  } else if (schema.contains("default")) {
    text.by_default = default_text(schema["default"]);
    text.is_literal = true;
    if (text.by_default.empty()) text.by_default = "\"\"";
  } else if (!text.block.empty()) {
    text.by_default = "see there";
  }
  return text;
}

std::string anchor(const std::string& heading) {
  std::string text;
  for (const char c : heading) {
    if (c != '.') text += c;
  }
  return text;
}

std::string value_cell(const KeyText& key) {
  std::string text = key.value;
  if (!key.block.empty()) text += " ([" + key.block + "](#" + anchor(key.block) + "))";
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string{"\\|"} : std::string{c};
  return escaped;
}

std::string section(const BlockText& block) {
  std::string text = "### " + block.name + "\n\n" + block.description + "\n\n" +
                     "| key | default | value | meaning |\n|---|---|---|---|\n";
  for (const KeyText& key : block.keys) {
    const std::string mark = key.is_literal ? "`" : "";
    text += "| `" + key.name + "` | " + mark + key.by_default + mark + " | " + value_cell(key) +
            " | " + key.meaning + " |\n";
  }
  std::string refused;
  for (const std::string& name : block.refused)
    refused += (refused.empty() ? "`" : ", `") + name + "`";
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

std::vector<BlockText> block_texts() {
  const Json schema = whole_schema();
  std::vector<BlockText> blocks;
  for (const auto& [name, block] : schema["$defs"].items()) {
    if (!block.contains("properties")) continue;
    auto& text = blocks.emplace_back();
    text.name = name;
    text.description = block["description"].get<std::string>();
    for (const auto& [key, value] : block["properties"].items()) {
      if (value.contains("$comment")) {
        text.keys.push_back(key_text(key, value, is_required(block, key)));
      } else {
        text.refused.push_back(key);
      }
    }
  }
  return blocks;
}

std::string reference() {
  std::string text;
  for (const BlockText& block : block_texts()) text += section(block);
  return text;
}

}  // namespace outrigger::config
