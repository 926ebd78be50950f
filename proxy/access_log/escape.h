// Text that hostile callers chose, made fit for one line of a log.
//
// What comes out is valid UTF-8 without control characters, whatever went in, so that a line is
// one line for every reader and nothing that a terminal would act upon.
#pragma once

#include <cstddef>
#include <string_view>

namespace outrigger::access_log {

// What a byte may grow to.
inline constexpr std::size_t kMaxEscape = 6;

// For inside a JSON string: bytes that are no UTF-8 become U+FFFD. Returns the end of what was
// written; `out` has room for kMaxEscape * text.size() + 8 bytes.
char* escape_json(char* out, std::string_view text);
// For between the double quotes of a text line: what cannot stand there becomes \xHH.
char* escape_text(char* out, std::string_view text);

// The longest beginning of `text` of at most `most` bytes that does not end inside of a character.
std::string_view cut(std::string_view text, std::size_t most);

}  // namespace outrigger::access_log
