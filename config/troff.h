// Text as manual pages want it, in groff's man macros.
#pragma once

#include <string>
#include <string_view>

namespace outrigger::config {

// Shown as it is, whatever it holds; what stands `so` comes out bold.
std::string troff(std::string_view text);
// All of it bold.
std::string troff_bold(std::string_view text);
// The lines that a page begins with; `about` is what apropos(1) finds.
std::string troff_page(std::string_view name, int section, std::string_view about);
// An item and what is said of it; both in troff already.
std::string troff_item(const std::string& item, const std::string& text);

}  // namespace outrigger::config
