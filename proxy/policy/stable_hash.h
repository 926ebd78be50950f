// A hash that is the same in every process, build and version: XXH64 (Collet), as other proxies
// use for consistent hashing.
//
// Sidecars beside one another must send equal keys to the same endpoint, which std::hash does not
// promise. Not against attackers: who chooses the keys may choose which endpoint gets them.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace outrigger::policy {

static_assert(std::endian::native == std::endian::little, "XXH64 reads little-endian words");

class StableHash {
 public:
  static std::uint64_t of(std::string_view bytes, std::uint64_t seed = 0) {
    const char* at = bytes.data();
    const char* const end = at + bytes.size();
    std::uint64_t hash = seed + kPrime5;
    if (bytes.size() >= 32) {
      std::uint64_t lanes[] = {seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1};
      for (; end - at >= 32; at += 32) {
        for (int i = 0; i < 4; ++i) lanes[i] = round(lanes[i], read<std::uint64_t>(at + 8 * i));
      }
      hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) +
             std::rotl(lanes[3], 18);
      for (const auto lane : lanes) hash = (hash ^ round(0, lane)) * kPrime1 + kPrime4;
    }
    hash += bytes.size();
    for (; end - at >= 8; at += 8) {
      hash = std::rotl(hash ^ round(0, read<std::uint64_t>(at)), 27) * kPrime1 + kPrime4;
    }
    for (; end - at >= 4; at += 4) {
      hash = std::rotl(hash ^ read<std::uint32_t>(at) * kPrime1, 23) * kPrime2 + kPrime3;
    }
    for (; at < end; ++at) {
      hash = std::rotl(hash ^ static_cast<unsigned char>(*at) * kPrime5, 11) * kPrime1;
    }
    return mix(hash);
  }

  // Another hash of the same key, independent of the first for all that balancing needs.
  static std::uint64_t of(std::uint64_t hash, std::uint64_t seed) {
    return mix(round(seed + kPrime5, hash));
  }

 private:
  static constexpr std::uint64_t kPrime1 = 0x9e3779b185ebca87;
  static constexpr std::uint64_t kPrime2 = 0xc2b2ae3d27d4eb4f;
  static constexpr std::uint64_t kPrime3 = 0x165667b19e3779f9;
  static constexpr std::uint64_t kPrime4 = 0x85ebca77c2b2ae63;
  static constexpr std::uint64_t kPrime5 = 0x27d4eb2f165667c5;

  template <class Word>
  static std::uint64_t read(const char* at) {
    Word word;
    std::memcpy(&word, at, sizeof(word));
    return word;
  }

  static constexpr std::uint64_t round(std::uint64_t lane, std::uint64_t word) {
    return std::rotl(lane + word * kPrime2, 31) * kPrime1;
  }

  static constexpr std::uint64_t mix(std::uint64_t hash) {
    hash = (hash ^ (hash >> 33)) * kPrime2;
    hash = (hash ^ (hash >> 29)) * kPrime3;
    return hash ^ (hash >> 32);
  }
};

}  // namespace outrigger::policy
