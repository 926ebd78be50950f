// The JSON Schema of the file (draft 2020-12), for editors and for `outrigger schema`.
//
// Kept in config/schema/outrigger.schema.json, which a test compares. It cannot say what two keys
// mean together, nor check what `${…}` will give; the loader does.
#pragma once

#include <string>

namespace outrigger::config {

std::string json_schema();

// The tables of config/README.md, made from the schema.
std::string reference();

}  // namespace outrigger::config
