// The paths of the admin interface, and what may be done with each.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::admin {

// Split at `/`, each percent-decoded; "/" has none. Empty where an escape is malformed.
using Segments = std::vector<std::string>;
std::optional<Segments> segments_of(std::string_view path);

// For the Allow field: "GET, HEAD", "POST"; empty where there is no such path.
std::string_view methods_of(const Segments& path);
bool names_method(std::string_view methods, std::string_view method);

}  // namespace outrigger::admin
