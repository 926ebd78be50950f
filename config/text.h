// Rules for values that are text: what each may look like, said once for reader and schema.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/quantity.h"

namespace outrigger::config {

struct TextRule {
  std::string_view expected;  // "a header name"
  std::string_view pattern;   // for the schema; empty: none
  // A hint where the text breaks the rule; may bring it to its normal form.
  std::optional<Hint> (*check)(std::string& text);
};

std::optional<Hint> check_any(std::string& text);
std::optional<Hint> check_name(std::string& text);
std::optional<Hint> check_token(std::string& text);
std::optional<Hint> check_field_value(std::string& text);
std::optional<Hint> check_method(std::string& text);
std::optional<Hint> check_host(std::string& text);
std::optional<Hint> check_host_match(std::string& text);  // to lower case
std::optional<Hint> check_path(std::string& text);
std::optional<Hint> check_file_path(std::string& text);
std::optional<Hint> check_regex(std::string& text);
std::optional<Hint> check_upgrade(std::string& text);  // to lower case
std::optional<Hint> check_bind_address(std::string& text);
std::optional<Hint> check_endpoint_address(std::string& text);
std::optional<Hint> check_authority(std::string& text);
std::optional<Hint> check_scheme(std::string& text);
std::optional<Hint> check_query_name(std::string& text);
std::optional<Hint> check_path_and_query(std::string& text);
std::optional<Hint> check_warning(std::string& text);

inline constexpr TextRule kText{"text", "", check_any};
inline constexpr TextRule kName{"a name: 1 to 64 of A-Z a-z 0-9 _ . -", "^[A-Za-z0-9_.-]{1,64}$",
                                check_name};
inline constexpr TextRule kHeaderName{"a header name", "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
                                      check_token};
inline constexpr TextRule kHeaderValue{"a header value", "", check_field_value};
inline constexpr TextRule kMethod{"a method in capitals", "^[!#$%&'*+.^_`|~0-9A-Z-]+$",
                                  check_method};
inline constexpr TextRule kHost{"a host name or IP address", "", check_host};
inline constexpr TextRule kHostMatch{"a host, or *.suffix", "", check_host_match};
inline constexpr TextRule kPath{"a path that begins with /", "^/[^?#]*$", check_path};
inline constexpr TextRule kFilePath{"the path of a file", "", check_file_path};
inline constexpr TextRule kRegex{"an RE2 regular expression", "", check_regex};
inline constexpr TextRule kUpgrade{"a protocol such as websocket", "", check_upgrade};
inline constexpr TextRule kBindAddress{"IP:PORT, [IPV6]:PORT or unix:/PATH", "",
                                       check_bind_address};
inline constexpr TextRule kEndpointAddress{"HOST:PORT, [IPV6]:PORT or unix:/PATH", "",
                                           check_endpoint_address};
inline constexpr TextRule kAuthority{"HOST or HOST:PORT", "", check_authority};
inline constexpr TextRule kScheme{"http or https", "^https?$", check_scheme};
inline constexpr TextRule kQueryName{"the name of a parameter", "", check_query_name};
inline constexpr TextRule kPathAndQuery{"a path that begins with /", "^/[^#]*$",
                                        check_path_and_query};
inline constexpr TextRule kWarning{"the name of a warning", "", check_warning};

}  // namespace outrigger::config
