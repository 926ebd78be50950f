// A growable byte buffer for text of our own, used again and again.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace outrigger::http {

class OutBuffer {
 public:
  // What clear() keeps allocated at most.
  static constexpr std::size_t kKept = 16 * 1024;

  void append(std::string_view text) { bytes_.append(text); }
  void append_decimal(std::uint64_t number) { append_number(number, 10); }
  void append_hex(std::uint64_t number) { append_number(number, 16); }

  std::string_view view() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  void clear() {
    bytes_.clear();
    if (bytes_.capacity() > kKept) bytes_.shrink_to_fit();
  }

 private:
  void append_number(std::uint64_t number, int base) {
    char digits[20];
    const auto result = std::to_chars(digits, digits + sizeof(digits), number, base);
    bytes_.append(digits, result.ptr);
  }

  std::string bytes_;
};

}  // namespace outrigger::http
