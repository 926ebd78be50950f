// Dates in header fields (RFC 9110, 5.6.7): ours written, others' read.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string_view>

namespace outrigger::http {

// "Sun, 06 Nov 1994 08:49:37 GMT"; `buffer` holds the text.
std::string_view imf_fixdate(std::time_t at, char (&buffer)[30]);

// Unix seconds of an HTTP-date in any of its three forms; empty for anything else. `now` is for
// RFC 850's years of two digits: none is more than 50 years ahead. A name of a day that does not
// fit the date is passed over, as the date alone decides.
std::optional<std::int64_t> parse_http_date(std::string_view text,
                                            std::int64_t now = std::time(nullptr));

}  // namespace outrigger::http
