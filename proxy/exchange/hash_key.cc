#include "proxy/exchange/hash_key.h"

#include <algorithm>
#include <chrono>

#include "proxy/policy/stable_hash.h"

namespace outrigger::exchange {
namespace {

using policy::StableHash;

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string_view header(const http::Headers& headers, std::string_view name) {
  const auto* field = headers.find(name);
  return field ? field->value : std::string_view{};
}

// Of `a=1; b=2` in any number of Cookie fields; names are compared with case (RFC 6265).
std::string_view cookie(const http::Headers& headers, std::string_view name) {
  for (const auto& field : headers.all()) {
    if (!http::equals_ignore_case(field.name, "cookie")) continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      const auto end = std::min(rest.find(';'), rest.size());
      const auto pair = trimmed(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const auto equals = pair.find('=');
      if (equals == pair.npos || trimmed(pair.substr(0, equals)) != name) continue;
      const auto value = trimmed(pair.substr(equals + 1));
      if (!value.empty()) return value;
    }
  }
  return {};
}

struct CookieValue {
  char text[16];
  std::string_view view() const { return {text, sizeof(text)}; }
};

CookieValue cookie_value(std::uint64_t number) {
  static constexpr char kDigits[] = "0123456789abcdef";
  CookieValue value;
  for (char& digit : value.text) {
    digit = kDigits[number >> 60];
    number <<= 4;
  }
  return value;
}

std::string set_cookie(const config::HashOn& on, std::string_view value) {
  std::string text = on.name + "=";
  text += value;
  text += "; Path=/; HttpOnly";
  if (on.ttl) {
    // Rounded up: Max-Age=0 would delete it.
    const auto age = std::chrono::ceil<std::chrono::seconds>(*on.ttl).count();
    text += "; Max-Age=" + std::to_string(age);
  }
  return text;
}

HashKey cookie_key(const config::HashOn& on, const http::Headers& headers, std::uint64_t fresh) {
  const auto value = cookie(headers, on.name);
  if (!value.empty()) return {.hash = StableHash::of(value)};
  const CookieValue issued = cookie_value(fresh);
  return {.hash = StableHash::of(issued.view()), .set_cookie = set_cookie(on, issued.view())};
}

}  // namespace

HashKey hash_key(const config::HashOn& on, const http::RequestHead& head, std::string_view caller,
                 std::uint64_t fresh) {
  std::string_view key;
  switch (on.kind) {
    case config::HashOn::Kind::Cookie:
      return cookie_key(on, head.headers, fresh);
    case config::HashOn::Kind::Header:
      key = header(head.headers, on.name);
      break;
    case config::HashOn::Kind::SourceIp:
      key = caller;
      break;
    case config::HashOn::Kind::Path:
      key = head.path;
      break;
  }
  if (key.empty()) return {};
  return {.hash = StableHash::of(key)};
}

}  // namespace outrigger::exchange
