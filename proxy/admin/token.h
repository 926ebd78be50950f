// The secret of admin.token_file: its first line, without blanks at the end.
#pragma once

#include <optional>
#include <string>

namespace outrigger::admin {

// Nothing where the file cannot be read or says nothing.
std::optional<std::string> read_token(const std::string& file);

}  // namespace outrigger::admin
