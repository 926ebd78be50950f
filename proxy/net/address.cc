#include "proxy/net/address.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

#include "proxy/base/check.h"

namespace outrigger::net {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::size_t kMaxName = 253;

std::string quoted(std::string_view text) {
  return '"' + std::string{text} + '"';
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return port;
}

// The canonical text of an IP address, or "" when `text` is none.
std::string canonical_ip(int family, const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> binary{};
  std::array<char, INET6_ADDRSTRLEN> canonical{};
  if (inet_pton(family, text.c_str(), binary.data()) != 1) return "";
  return inet_ntop(family, binary.data(), canonical.data(), canonical.size());
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

// Not what was meant as an IP address and is none: the last label of a name is never a number.
bool is_name(std::string_view text) {
  if (text.empty() || text.size() > kMaxName || text.front() == '.') return false;
  if (text.find("..") != text.npos || !std::all_of(text.begin(), text.end(), is_name_character)) {
    return false;
  }
  if (text.back() == '.') text.remove_suffix(1);
  const auto last = text.substr(text.rfind('.') + 1);
  return last.find_first_not_of("0123456789") != last.npos;
}

}  // namespace

Result<Address, std::string> Address::parse(std::string_view text) {
  if (text.starts_with(kUnixPrefix)) return parse_unix(text.substr(kUnixPrefix.size()));
  const auto colon = text.rfind(':');
  if (colon == text.npos) {
    return quoted(text) + " has no port: expected host:port, [v6]:port or unix:/path";
  }
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return quoted(text.substr(colon + 1)) + " is not a port: expected 0 to 65535";
  return parse_host(text.substr(0, colon), *port);
}

Result<Address, std::string> Address::parse_unix(std::string_view path) {
  if (path.empty() || path.find('\0') != path.npos) {
    return std::string{"a Unix socket needs a path: unix:/path"};
  }
  if (path.size() > kMaxPath) {
    return "the path of a Unix socket has at most " + std::to_string(kMaxPath) + " bytes, " +
           quoted(path) + " has " + std::to_string(path.size());
  }
  return Address{Kind::Unix, std::string{path}, 0};
}

Result<Address, std::string> Address::parse_host(std::string_view host, std::uint16_t port) {
  if (host.empty()) {
    return std::string{"the host before the port is missing (all interfaces: 0.0.0.0 or [::])"};
  }
  const std::string name{host};
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    const auto ip = canonical_ip(AF_INET6, name.substr(1, name.size() - 2));
    if (ip.empty()) return quoted(host) + " is not an IPv6 address";
    return Address{Kind::Ip, ip, port};
  }
  if (host.find(':') != host.npos) return quoted(host) + " looks like IPv6: write [v6]:port";
  const auto ip = canonical_ip(AF_INET, name);
  if (!ip.empty()) return Address{Kind::Ip, ip, port};
  if (!is_name(host)) return quoted(host) + " is neither an IP address nor a host name";
  return Address{Kind::Host, name, port};
}

Address Address::from_native(const sockaddr& native) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  switch (native.sa_family) {
    case AF_INET: {
      const auto& ip = reinterpret_cast<const sockaddr_in&>(native);
      inet_ntop(AF_INET, &ip.sin_addr, text.data(), text.size());
      return {Kind::Ip, text.data(), ntohs(ip.sin_port)};
    }
    case AF_INET6: {
      const auto& ip = reinterpret_cast<const sockaddr_in6&>(native);
      inet_ntop(AF_INET6, &ip.sin6_addr, text.data(), text.size());
      return {Kind::Ip, text.data(), ntohs(ip.sin6_port)};
    }
    default: {
      INVARIANT(native.sa_family == AF_UNIX);
      const auto& path = reinterpret_cast<const sockaddr_un&>(native).sun_path;
      return {Kind::Unix, std::string{path, strnlen(path, sizeof path)}, 0};
    }
  }
}

bool Address::is_loopback() const {
  switch (kind_) {
    case Kind::Unix:
      return true;
    case Kind::Host:
      return host_ == "localhost";
    case Kind::Ip:
      return host_.starts_with("127.") || host_ == "::1";
  }
  return false;
}

std::string Address::to_string() const {
  if (kind_ == Kind::Unix) return std::string{kUnixPrefix} + host_;
  const bool is_v6 = kind_ == Kind::Ip && host_.find(':') != host_.npos;
  return (is_v6 ? '[' + host_ + ']' : host_) + ':' + std::to_string(port_);
}

socklen_t Address::to_native(sockaddr_storage& native) const {
  INVARIANT(kind_ != Kind::Host);
  native = {};
  if (kind_ == Kind::Unix) {
    auto& address = reinterpret_cast<sockaddr_un&>(native);
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, host_.data(), std::min(host_.size(), kMaxPath));
    return sizeof address;
  }
  auto& v4 = reinterpret_cast<sockaddr_in&>(native);
  if (inet_pton(AF_INET, host_.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port_);
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(native);
  v6 = {};
  INVARIANT(inet_pton(AF_INET6, host_.c_str(), &v6.sin6_addr) == 1);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port_);
  return sizeof v6;
}

}  // namespace outrigger::net
