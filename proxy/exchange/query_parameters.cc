#include "proxy/exchange/query_parameters.h"

#include <array>
#include <string>

namespace outrigger::exchange {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Takes one character from the front, decoded; a `%` that is no escape stands for itself.
char take_decoded(std::string_view& text) {
  const char c = text[0];
  if (c == '%' && text.size() >= 3 && hex_value(text[1]) >= 0 && hex_value(text[2]) >= 0) {
    const int decoded = hex_value(text[1]) * 16 + hex_value(text[2]);
    text.remove_prefix(3);
    return static_cast<char>(decoded);
  }
  text.remove_prefix(1);
  return c == '+' ? ' ' : c;
}

bool decodes_to(std::string_view text, std::string_view wanted) {
  std::size_t i = 0;
  while (!text.empty() && i < wanted.size() && take_decoded(text) == wanted[i]) ++i;
  return text.empty() && i == wanted.size();
}

bool is_plain(std::string_view text) {
  return text.find_first_of("%+") == std::string_view::npos;
}

// Takes the next parameter from the front of a query that is not empty.
std::string_view take_parameter(std::string_view& query) {
  const auto end = query.find('&');
  const auto parameter = query.substr(0, end);
  query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
  return parameter;
}

}  // namespace

bool QueryParameters::any(std::string_view name, const Predicate& matches) const {
  for (std::string_view rest = query_; !rest.empty();) {
    const auto parameter = take_parameter(rest);
    const auto equals = parameter.find('=');
    if (!decodes_to(parameter.substr(0, equals), name)) continue;
    auto value =
        equals == std::string_view::npos ? std::string_view{} : parameter.substr(equals + 1);
    if (is_plain(value)) return matches(value);

    std::array<char, 1024> short_value;
    std::string long_value;
    char* out = short_value.data();
    if (value.size() > short_value.size()) {
      long_value.resize(value.size());
      out = long_value.data();
    }
    std::size_t length = 0;
    while (!value.empty()) out[length++] = take_decoded(value);
    return matches({out, length});
  }
  return false;
}

}  // namespace outrigger::exchange
