// The bytes that bodies are made of: the place of a byte tells which it must be.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

namespace bench {

inline constexpr size_t kMaxBody = size_t{4} << 20;

// The first kMaxBody bytes of every body. 251 is prime, so that no power of two repeats in step.
inline const std::string& body_pattern() {
  static const std::string pattern = [] {
    std::string bytes(kMaxBody, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
    return bytes;
  }();
  return pattern;
}

inline bool is_body_at(size_t offset, std::string_view data) {
  return offset + data.size() <= kMaxBody &&
         std::memcmp(body_pattern().data() + offset, data.data(), data.size()) == 0;
}

}  // namespace bench
