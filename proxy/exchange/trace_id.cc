#include "proxy/exchange/trace_id.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace outrigger::exchange {
namespace {

// version-trace-parent-flags; a later version may go on after a dash.
constexpr std::size_t kTrace = 3;
constexpr std::size_t kParent = 36;
constexpr std::size_t kFlags = 53;
constexpr std::size_t kLength = 55;

bool is_hex_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

// Eight digits at once, as a request has some forty. In each byte the high bit answers, which no
// digit has of its own.
bool are_hex_digits(const char* eight) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHighs = 0x8080808080808080;
  std::uint64_t word;
  std::memcpy(&word, eight, sizeof(word));
  const std::uint64_t low = word & ~kHighs;
  const auto from = [&](char c) { return (low | kHighs) - kOnes * static_cast<std::uint64_t>(c); };
  const auto beyond = [&](char c) { return low + kOnes * static_cast<std::uint64_t>(0x7f - c); };
  const std::uint64_t digits = from('0') & ~beyond('9');
  const std::uint64_t letters = from('a') & ~beyond('f');
  return ((digits | letters) & ~word & kHighs) == kHighs;
}

bool is_hex(std::string_view text) {
  while (text.size() >= 8) {
    if (!are_hex_digits(text.data())) return false;
    text.remove_prefix(8);
  }
  return std::ranges::all_of(text, is_hex_digit);
}

bool all_zero(std::string_view text) {
  constexpr std::string_view kZeros = "00000000000000000000000000000000";
  return text == kZeros.substr(0, text.size());
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
