// The small words of HTTP's grammar (RFC 9110, 5.6): sets of bytes, tokens, and comma-separated
// lists, all as views.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace outrigger::http {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class ByteSet {
 public:
  static constexpr ByteSet of(std::string_view bytes) {
    ByteSet set;
    for (const char c : bytes) set.member_[static_cast<unsigned char>(c)] = true;
    return set;
  }
  // Printable ASCII without the space and without `bytes`.
  static constexpr ByteSet visible_but(std::string_view bytes) {
    ByteSet set;
    for (unsigned char c = 0x21; c < 0x7f; ++c) set.member_[c] = true;
    for (const char c : bytes) set.member_[static_cast<unsigned char>(c)] = false;
    return set;
  }
  constexpr bool has(char c) const { return member_[static_cast<unsigned char>(c)]; }
  constexpr bool has_all(std::string_view text) const {
    return std::all_of(text.begin(), text.end(), [this](char c) { return has(c); });
  }

 private:
  std::array<bool, 256> member_{};
};

inline bool is_token(std::string_view text) {
  static constexpr ByteSet kToken = ByteSet::visible_but("\"(),/:;<=>?@[\\]{}");
  return !text.empty() && kToken.has_all(text);
}

// What may stand in a field's value (RFC 9110, 5.5): no control characters but HTAB.
inline bool is_field_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
  });
}

inline bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Calls `each` with every element that is not empty.
template <class Each>
void for_each_element(std::string_view list, const Each& each) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    const std::string_view element = trimmed(list.substr(0, comma));
    if (!element.empty()) each(element);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace outrigger::http
