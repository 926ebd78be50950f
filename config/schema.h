// The JSON Schema of the file (draft 2020-12), for editors and for `outrigger schema`.
//
// Kept in config/schema/outrigger.schema.json, which a test compares. It cannot say what two keys
// mean together, nor check what `${…}` will give; the loader does.
#pragma once

#include <string>
#include <vector>

namespace outrigger::config {

std::string json_schema();

// The same for people: what the reference and the manual page are made of.
struct KeyText {
  std::string name;
  std::string by_default;  // as in the file; or a word such as "required", then not `is_literal`
  bool is_literal;
  std::string value;
  std::string block;  // which says more, where there is one
  std::string meaning;
};
struct BlockText {
  std::string name;
  std::string description;
  std::vector<KeyText> keys;
  std::vector<std::string> refused;  // known, but not supported by this version
};
std::vector<BlockText> block_texts();

// The tables of config/README.md, made from the schema.
std::string reference();

}  // namespace outrigger::config
