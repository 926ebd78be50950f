// The trace that a caller says its request belongs to (W3C Trace Context, traceparent).
#pragma once

#include <string_view>

namespace outrigger::exchange {

// 32 hexadecimal digits; empty where the field is missing or not as the specification has it.
std::string_view trace_id(std::string_view traceparent);

}  // namespace outrigger::exchange
