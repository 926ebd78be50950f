// A growable byte buffer for text of our own, used again and again.
//
// Not a std::string: heads are made of some forty small pieces, and each must cost no more than a
// comparison and a copy.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace outrigger::http {

class OutBuffer {
 public:
  // What clear() keeps allocated at most.
  static constexpr std::size_t kKept = 16 * 1024;

  void append(std::string_view text) {
    copy(reserve(text.size()), text);
    size_ += text.size();
  }
  // The same for what is long as a rule: by the library's copy, which for short ones costs more
  // than the loop that the others are copied by.
  void append_many(std::string_view bytes) {
    std::copy(bytes.begin(), bytes.end(), reserve(bytes.size()));
    size_ += bytes.size();
  }
  // The pieces one after the other, as one: texts, and numbers in decimal.
  template <class... Pieces>
  void append_all(const Pieces&... pieces) {
    char* at = reserve((most(pieces) + ...));
    ((at = copy(at, pieces)), ...);
    size_ = static_cast<std::size_t>(at - bytes_.get());
  }
  void append_hex(std::uint64_t number) {
    char* at = reserve(kMostDigits);
    size_ += static_cast<std::size_t>(std::to_chars(at, at + kMostDigits, number, 16).ptr - at);
  }

  std::string_view view() const { return {bytes_.get(), size_}; }
  std::size_t size() const { return size_; }
  void clear() {
    size_ = 0;
    if (capacity_ <= kKept) return;
    bytes_.reset();
    capacity_ = 0;
  }

 private:
  static constexpr std::size_t kLeast = 512;
  static constexpr std::size_t kMostDigits = 20;

  static std::size_t most(std::string_view piece) { return piece.size(); }
  static std::size_t most(std::uint64_t) { return kMostDigits; }

  static char* copy(char* to, std::string_view piece) {
    // An empty piece may be a null pointer, which memcpy must not get.
    if (!piece.empty()) std::memcpy(to, piece.data(), piece.size());
    return to + piece.size();
  }
  static char* copy(char* to, std::uint64_t number) {
    char digits[kMostDigits];
    char* first = digits + kMostDigits;
    do {
      *--first = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    return copy(to, {first, digits + kMostDigits});
  }
  // Where so many bytes may be written.
  char* reserve(std::size_t more) {
    if (capacity_ - size_ < more) [[unlikely]] {
      grow(more);
    }
    return bytes_.get() + size_;
  }
  void grow(std::size_t more) {
    const std::size_t capacity = std::max({capacity_ * 2, size_ + more, kLeast});
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
    bytes_ = std::move(larger);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace outrigger::http
