#include "proxy/exchange/trace_id.h"

#include <algorithm>

namespace outrigger::exchange {
namespace {

// version-trace-parent-flags; a later version may go on after a dash.
constexpr std::size_t kTrace = 3;
constexpr std::size_t kParent = 36;
constexpr std::size_t kFlags = 53;
constexpr std::size_t kLength = 55;

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool all_zero(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}

}  // namespace

std::string_view trace_id(std::string_view traceparent) {
  if (traceparent.size() < kLength) return {};
  const std::string_view version = traceparent.substr(0, kTrace - 1);
  const std::string_view trace = traceparent.substr(kTrace, kParent - kTrace - 1);
  const std::string_view parent = traceparent.substr(kParent, kFlags - kParent - 1);
  const bool dashes = traceparent[kTrace - 1] == '-' && traceparent[kParent - 1] == '-' &&
                      traceparent[kFlags - 1] == '-';
  const bool whole =
      traceparent.size() == kLength || (version != "00" && traceparent[kLength] == '-');
  const bool digits = is_hex(version) && is_hex(trace) && is_hex(parent) &&
                      is_hex(traceparent.substr(kFlags, kLength - kFlags));
  if (!dashes || !whole || !digits || version == "ff" || all_zero(trace) || all_zero(parent)) {
    return {};
  }
  return trace;
}

}  // namespace outrigger::exchange
