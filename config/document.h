// A file as one YAML document with ${…} put in, for all that this program reads.
#pragma once

#include <optional>
#include <string>

#include "config/environment.h"
#include "config/yaml_reader.h"
#include "proxy/base/result.h"

namespace outrigger::config {

// The text, or errno. At most one byte more than kMaxFileBytes, so that what is too large shows.
Result<std::string, int> read_file(const std::string& path);

// An empty document is an empty map. Empty: not readable to its end, and reported.
std::optional<Yaml> parse_document(std::string_view text, const Environment& environment,
                                   Diagnostics& diagnostics);

}  // namespace outrigger::config
