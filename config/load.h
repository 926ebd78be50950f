// From a file or a text to a Config, or to everything that is wrong with it.
//
// Nothing here throws, and nothing of a wrong configuration is returned.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "config/environment.h"
#include "config/model.h"
#include "proxy/base/result.h"

namespace outrigger::config {

using Loaded = Result<Config, std::vector<Diagnostic>>;

Loaded load_file(const std::string& path, const Environment& environment);

// `file` only names the text in Config::file.
Loaded load_text(std::string_view text, const std::string& file, const Environment& environment);

}  // namespace outrigger::config
