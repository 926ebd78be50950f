// Bytes kept for later, many as a rule: they are copied by the library's memmove. To a std::string
// they would be by a loop of words, as the profile sees mostly short ones.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace outrigger {

using KeptBytes = std::vector<char>;

inline void append_to(KeptBytes& bytes, std::string_view more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}
inline std::string_view view(const KeptBytes& bytes) {
  return {bytes.data(), bytes.size()};
}

// `most`: what it may keep of its memory.
inline void clear_and_keep(KeptBytes& bytes, std::size_t most) {
  bytes.clear();
  if (bytes.capacity() > most) bytes.shrink_to_fit();
}

}  // namespace outrigger
