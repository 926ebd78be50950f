// `${NAME}` and `${NAME:-default}` in scalars; `$${` is a literal `${`.
//
// Replaced in the tree, not in the text, so that a value can never add keys or lines. The result
// is typed as if unquoted: "${PORT}" may be a number. As in a shell, `:-` also stands in for an
// empty value. Keys are left alone.
#pragma once

#include <map>
#include <string>

#include "config/yaml_reader.h"

namespace outrigger::config {

using Environment = std::map<std::string, std::string, std::less<>>;

Environment process_environment();

void substitute(Yaml& root, const Environment& environment, Diagnostics& diagnostics);

}  // namespace outrigger::config
