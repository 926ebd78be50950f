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

// `places`, where asked for: where in the file each value stands, for those who speak of it.
Loaded load_file(const std::string& path, const Environment& environment, Places* places = nullptr);

// `file` only names the text in Config::file.
Loaded load_text(std::string_view text, const std::string& file, const Environment& environment,
                 Places* places = nullptr);

// One route's `fault` block by itself, as it is given at run time; YAML or JSON, no `${}`.
using LoadedFault = Result<Fault, std::vector<Diagnostic>>;
LoadedFault load_fault(std::string_view text);

}  // namespace outrigger::config
