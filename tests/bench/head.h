// As much of a message's head as backend and load look at.
#pragma once

#include <strings.h>

#include <charconv>
#include <cstring>
#include <string_view>

namespace bench {

inline constexpr std::string_view kBackendField = "x-backend";
inline constexpr std::string_view kBackendValue = "outrigger-bench";

// The size of the head at the front of `data` with its empty line; 0 where it is not whole.
inline size_t head_size(std::string_view data) {
  const void* end = memmem(data.data(), data.size(), "\r\n\r\n", 4);
  return end == nullptr ? 0 : static_cast<size_t>(static_cast<const char*>(end) - data.data()) + 4;
}

inline bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// visit(name, value) for each field line.
template <typename Visit>
void each_field(std::string_view head, Visit visit) {
  size_t at = head.find("\r\n") + 2;
  while (at + 2 < head.size()) {
    const size_t end = head.find("\r\n", at);
    const auto line = head.substr(at, end - at);
    const size_t colon = line.find(':');
    if (colon != line.npos) {
      auto value = line.substr(colon + 1);
      while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
      visit(line.substr(0, colon), value);
    }
    at = end + 2;
  }
}

// -1 where it is no number.
inline long number(std::string_view text) {
  long value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : -1;
}

}  // namespace bench
