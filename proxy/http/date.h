// The Date field of answers of our own (RFC 9110, 5.6.7).
#pragma once

#include <ctime>
#include <string_view>

namespace outrigger::http {

// "Sun, 06 Nov 1994 08:49:37 GMT"; `buffer` holds the text.
std::string_view imf_fixdate(std::time_t at, char (&buffer)[30]);

}  // namespace outrigger::http
