#include "config/text.h"

#include <re2/re2.h>

#include <algorithm>

#include "config/address.h"
#include "config/diagnostic.h"
#include "config/warnings.h"

namespace outrigger::config {
namespace {

constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxPath = 8192;
constexpr std::size_t kMaxRegex = 4096;

const std::optional<Hint> kFine = std::nullopt;
const std::optional<Hint> kWrong = Hint{};

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}

// RFC 9110, 5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_alphanumeric(c) || std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string::npos;
  });
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

std::string upper(std::string text) {
  for (char& c : text) c = is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}
void lower(std::string& text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool escapes_are_whole(std::string_view path) {
  const auto is_hex = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  };
  for (auto at = path.find('%'); at != path.npos; at = path.find('%', at + 1)) {
    if (at + 2 >= path.size() || !is_hex(path[at + 1]) || !is_hex(path[at + 2])) return false;
  }
  return true;
}

bool is_bracketed_ipv6(const std::string& text) {
  return text.starts_with('[') && text.ends_with(']') && parse_address(text + ":1");
}

}  // namespace

std::optional<Hint> check_any(std::string&) {
  return kFine;
}

std::optional<Hint> check_name(std::string& text) {
  const bool fine =
      !text.empty() && text.size() <= kMaxName && std::all_of(text.begin(), text.end(), [](char c) {
        return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
      });
  return fine ? kFine : kWrong;
}

std::optional<Hint> check_token(std::string& text) {
  return is_token(text) ? kFine : kWrong;
}

std::optional<Hint> check_field_value(std::string& text) {
  std::string visible = text;
  std::replace(visible.begin(), visible.end(), '\t', ' ');
  if (has_control(visible)) return Hint{"control characters are not allowed"};
  if (text.starts_with(' ') || text.ends_with(' ')) return Hint{"without spaces around it"};
  return kFine;
}

std::optional<Hint> check_method(std::string& text) {
  if (!is_token(text)) return kWrong;
  if (std::none_of(text.begin(), text.end(), is_lower)) return kFine;
  return "did you mean " + in_quotes(upper(text)) + "?";
}

std::optional<Hint> check_host(std::string& text) {
  return is_host(text) || is_bracketed_ipv6(text) ? kFine : kWrong;
}

std::optional<Hint> check_host_match(std::string& text) {
  lower(text);
  if (text.size() > 1 && text.ends_with('.')) text.pop_back();
  if (text == "*") return Hint{"leave 'hosts' out to match any host"};
  if (text.starts_with("*.")) return is_host(text.substr(2)) ? kFine : kWrong;
  if (is_host(text) || is_bracketed_ipv6(text)) return kFine;
  return parse_address(text) ? std::optional<Hint>{"without the port, which is ignored"} : kWrong;
}

std::optional<Hint> check_path(std::string& text) {
  if (!text.starts_with('/') || text.size() > kMaxPath) return kWrong;
  if (text.find_first_of("?#") != std::string::npos) return Hint{"without a query or fragment"};
  if (has_control(text) || text.find(' ') != std::string::npos) {
    return Hint{"a space is written %20"};
  }
  return escapes_are_whole(text) ? kFine : Hint{"two hex digits follow a %; %25 is a % itself"};
}

std::optional<Hint> check_file_path(std::string& text) {
  return text.empty() || has_control(text) ? kWrong : kFine;
}

std::optional<Hint> check_regex(std::string& text) {
  if (text.empty()) return kWrong;
  if (text.size() > kMaxRegex) return Hint{"at most 4096 bytes"};
  const RE2 regex{text, RE2::Quiet};
  return regex.ok() ? kFine : std::optional<Hint>{regex.error()};
}

std::optional<Hint> check_upgrade(std::string& text) {
  lower(text);
  return is_token(text) ? kFine : kWrong;
}

std::optional<Hint> check_bind_address(std::string& text) {
  const auto address = parse_address(text);
  if (!address) {
    if (text.starts_with("*:") || (text.starts_with(':') && !text.starts_with("::")))
      return Hint{"0.0.0.0 is every address"};
    return address.error();
  }
  const Address& bound = address.value();
  if (bound.is_unix() || bound.is_literal() || bound.host == "localhost") return kFine;
  return Hint{"an address of this machine, not a name"};
}

std::optional<Hint> check_endpoint_address(std::string& text) {
  const auto address = parse_address(text);
  if (!address) return address.error();
  if (address.value().is_unix() || address.value().port != 0) return kFine;
  return Hint{"the port is a number from 1 to 65535"};
}

std::optional<Hint> check_authority(std::string& text) {
  if (is_host(text) || is_bracketed_ipv6(text)) return kFine;
  const auto address = parse_address(text);
  return address && !address.value().is_unix() ? kFine : kWrong;
}

std::optional<Hint> check_scheme(std::string& text) {
  return text == "http" || text == "https" ? kFine : kWrong;
}

std::optional<Hint> check_query_name(std::string& text) {
  if (text.empty() || has_control(text)) return kWrong;
  return kFine;
}

std::optional<Hint> check_path_and_query(std::string& text) {
  std::string path = text.substr(0, text.find('?'));
  if (auto hint = check_path(path)) return hint;
  if (text.find('#') != std::string::npos) return Hint{"without a fragment"};
  const bool spaced = has_control(text) || text.find(' ') != std::string::npos;
  return spaced ? std::optional<Hint>{"a space is written %20"} : kFine;
}

std::optional<Hint> check_warning(std::string& text) {
  const auto& names = kWarningNames;
  if (std::find(names.begin(), names.end(), text) != names.end()) return kFine;
  const std::string hint = did_you_mean(text, names);
  return hint.empty() ? "one of " + one_of(names) : hint;
}

}  // namespace outrigger::config
