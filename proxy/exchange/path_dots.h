// Whether a path as sent holds a segment `.` or `..`, plain or percent-encoded (RFC 3986, 3.3).
#pragma once

#include <string_view>

namespace outrigger::exchange {

bool has_dot_segments(std::string_view path);

}  // namespace outrigger::exchange
