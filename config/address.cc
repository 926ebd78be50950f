#include "config/address.h"

#include <arpa/inet.h>

#include <algorithm>

namespace outrigger::config {
namespace {

constexpr std::size_t kMaxUnixPath = 107;  // sun_path less its NUL
constexpr std::size_t kMaxHost = 253;
constexpr std::size_t kMaxLabel = 63;

bool is_ipv4(const std::string& text) {
  in_addr parsed;
  return inet_pton(AF_INET, text.c_str(), &parsed) == 1;
}
bool is_ipv6(const std::string& text) {
  in6_addr parsed;
  return inet_pton(AF_INET6, text.c_str(), &parsed) == 1;
}

bool is_label(std::string_view label) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  return !label.empty() && label.size() <= kMaxLabel &&
         std::all_of(label.begin(), label.end(), allowed);
}

Result<Address, Hint> parse_unix(std::string_view path) {
  if (!path.starts_with('/')) return Hint{"the path of a Unix socket begins with '/'"};
  if (path.size() > kMaxUnixPath) return Hint{"the path of a Unix socket has at most 107 bytes"};
  if (std::any_of(path.begin(), path.end(), [](char c) { return c >= 0 && c < 0x20; })) {
    return Hint{"the path holds a control character"};
  }
  return Address{.host = "", .port = 0, .unix_path = std::string{path}};
}

Result<Address, Hint> with_port(std::string host, std::string_view port) {
  const auto number = parse_whole(port);
  if (!number || number.value() > 65535) return Hint{"the port is a number up to 65535"};
  return Address{std::move(host), static_cast<std::uint16_t>(number.value()), ""};
}

Result<Address, Hint> parse_bracketed(std::string_view text) {
  const auto close = text.find(']');
  if (close == std::string_view::npos) return Hint{"a ']' is missing"};
  std::string host{text.substr(1, close - 1)};
  if (!is_ipv6(host)) return Hint{"what stands in the brackets is no IPv6 address"};
  if (text.substr(close + 1, 1) != ":") return Hint{"the port is missing"};
  return with_port(std::move(host), text.substr(close + 2));
}

}  // namespace

bool Address::is_literal() const {
  return is_ipv4(host) || is_ipv6(host);
}

bool Address::is_loopback() const {
  in6_addr v6;
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return host == "localhost" || (is_ipv4(host) && host.starts_with("127."));
}

bool is_host(std::string_view text) {
  if (text.size() > kMaxHost) return false;
  const bool qualified = text.ends_with('.');  // fully
  if (qualified) text.remove_suffix(1);
  std::string_view rest = text;
  std::string_view last;
  while (true) {
    const auto dot = rest.find('.');
    last = rest.substr(0, dot);
    if (!is_label(last)) return false;
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  // A name does not end in a number (RFC 3696, 2): 10.0.0.256 is a slip, not a name.
  const bool numeric = last.find_first_not_of("0123456789") == std::string_view::npos;
  return !numeric || (!qualified && is_ipv4(std::string{text}));
}

Result<Address, Hint> parse_address(std::string_view text) {
  if (text.starts_with("unix:")) return parse_unix(text.substr(5));
  if (text.find("://") != std::string_view::npos) return Hint{"without a scheme"};
  if (text.starts_with('[')) return parse_bracketed(text);
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return Hint{parse_whole(text) ? "the host before the port is missing" : "the port is missing"};
  }
  const std::string_view host = text.substr(0, colon);
  if (host.find(':') != std::string_view::npos) return Hint{"IPv6 addresses stand in brackets"};
  if (!is_host(host)) return Hint{"that is no host name or IPv4 address"};
  return with_port(std::string{host}, text.substr(colon + 1));
}

}  // namespace outrigger::config
