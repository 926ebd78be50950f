#include "proxy/access_log/escape.h"

#include <cstdint>
#include <cstring>

namespace outrigger::access_log {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighs = 0x8080808080808080;
constexpr char kHex[] = "0123456789abcdef";

// Its high bits say of eight bytes at once where one is not printable ASCII, or a quote or
// backslash; beside such a one also where none is.
constexpr std::uint64_t suspects(std::uint64_t word) {
  return word | (word + kOnes) | (word - kOnes * ' ') | ((word ^ kOnes * '"') - kOnes) |
         ((word ^ kOnes * '\\') - kOnes);
}

template <class Word>
std::uint64_t load(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

// Nearly always so; looked at in words, the last of which overlaps the one before.
bool all_plain(std::string_view text) {
  const char* const data = text.data();
  const std::size_t size = text.size();
  std::uint64_t found = 0;
  if (size >= 8) {
    for (std::size_t i = 0; i + 8 < size; i += 8) found |= suspects(load<std::uint64_t>(data + i));
    found |= suspects(load<std::uint64_t>(data + size - 8));
  } else if (size >= 4) {
    found = suspects(load<std::uint32_t>(data) | load<std::uint32_t>(data + size - 4) << 32);
  } else if (size > 0) {
    found = suspects(kOnes * 'a' << 24 | load<std::uint8_t>(data) |
                     load<std::uint8_t>(data + size / 2) << 8 |
                     load<std::uint8_t>(data + size - 1) << 16);
  }
  return (found & kHighs) == 0;
}

constexpr bool is_plain(unsigned char c) {
  return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

struct Character {
  std::uint32_t code = 0;
  std::size_t length = 0;  // 0: this is no UTF-8
};

// The well-formed sequences of RFC 3629, shortest form only and no surrogates.
Character decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
  const unsigned char first = byte(0);
  if (first >= 0xc2 && first < 0xe0 && continues(1)) {
    return {(first & 0x1fu) << 6 | (byte(1) & 0x3fu), 2};
  }
  if ((first & 0xf0) == 0xe0 && continues(1) && continues(2)) {
    const std::uint32_t code = (first & 0x0fu) << 12 | (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu);
    if (code < 0x800 || (code >= 0xd800 && code < 0xe000)) return {};
    return {code, 3};
  }
  if (first >= 0xf0 && first < 0xf5 && continues(1) && continues(2) && continues(3)) {
    const std::uint32_t code = (first & 0x07u) << 18 | (byte(1) & 0x3fu) << 12 |
                               (byte(2) & 0x3fu) << 6 | (byte(3) & 0x3fu);
    if (code < 0x10000 || code > 0x10ffff) return {};
    return {code, 4};
  }
  return {};
}

// Controls beyond ASCII, what some readers take for the end of a line, and what turns the
// direction of what is shown.
bool acts(std::uint32_t code) {
  return code < 0xa0 || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
         code == 0x200e || code == 0x200f || code == 0xfeff;
}

char* put(char* out, std::string_view text) {
  if (!text.empty()) std::memcpy(out, text.data(), text.size());  // else perhaps a null pointer
  return out + text.size();
}

struct JsonStyle {
  static char* code(char* out, std::uint32_t code) {
    out = put(out, "\\u");
    for (int shift = 12; shift >= 0; shift -= 4) *out++ = kHex[(code >> shift) & 15];
    return out;
  }
  static char* control(char* out, unsigned char c) { return code(out, c); }
  static char* character(char* out, const Character& character, std::string_view) {
    return code(out, character.code);
  }
  static char* garbage(char* out, unsigned char) { return put(out, "\\ufffd"); }
};

struct TextStyle {
  static char* control(char* out, unsigned char c) {
    out = put(out, "\\x");
    *out++ = kHex[c >> 4];
    *out++ = kHex[c & 15];
    return out;
  }
  static char* character(char* out, const Character&, std::string_view bytes) {
    for (const char c : bytes) out = control(out, static_cast<unsigned char>(c));
    return out;
  }
  static char* garbage(char* out, unsigned char c) { return control(out, c); }
};

template <class Style>
char* escape_one(char* out, std::string_view& rest) {
  const auto c = static_cast<unsigned char>(rest.front());
  std::size_t length = 1;
  if (c == '"' || c == '\\') {
    *out++ = '\\';
    *out++ = static_cast<char>(c);
  } else if (is_plain(c)) {
    *out++ = static_cast<char>(c);
  } else if (c < 0x80) {
    out = Style::control(out, c);
  } else if (const Character character = decode(rest); character.length == 0) {
    out = Style::garbage(out, c);
  } else {
    length = character.length;
    out = acts(character.code) ? Style::character(out, character, rest.substr(0, length))
                               : put(out, rest.substr(0, length));
  }
  rest.remove_prefix(length);
  return out;
}

// Apart, so that the usual way needs no more registers than it has.
template <class Style>
[[gnu::noinline]] char* escape_with_care(char* out, std::string_view text) {
  while (!text.empty()) {
    if (text.size() >= 8 && all_plain(text.substr(0, 8))) {
      out = put(out, text.substr(0, 8));
      text.remove_prefix(8);
    } else {
      out = escape_one<Style>(out, text);
    }
  }
  return out;
}

template <class Style>
char* escape(char* out, std::string_view text) {
  return all_plain(text) ? put(out, text) : escape_with_care<Style>(out, text);
}

}  // namespace

char* escape_json(char* out, std::string_view text) {
  return escape<JsonStyle>(out, text);
}

char* escape_text(char* out, std::string_view text) {
  return escape<TextStyle>(out, text);
}

std::string_view cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t end = most;
  while (end > 0 && most - end < 3 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace outrigger::access_log
