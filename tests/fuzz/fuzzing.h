// What the targets share: bytes as text, chance that comes from the input, and the entry that
// libFuzzer and replay.cc call.
//
// A target says what must hold with INVARIANT, so that a breach is one line and an abort.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "proxy/base/check.h"
#include "proxy/base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace outrigger::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// The same for the same input: a find repeats.
inline Random random_of(std::string_view input) {
  return Random{std::hash<std::string_view>{}(input)};
}

// Calls `take` with the input in pieces of 1 … `largest` bytes.
template <class Take>
void in_pieces(std::string_view input, Random& random, std::uint32_t largest, const Take& take) {
  while (!input.empty()) {
    const std::size_t size = std::min<std::size_t>(input.size(), 1 + random.below(largest));
    take(input.substr(0, size));
    input.remove_prefix(size);
  }
}

}  // namespace outrigger::fuzz
