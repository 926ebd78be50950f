// Where to listen or to connect: an IP address and port, a name and port, or a Unix socket.
#pragma once

#include <netinet/in.h>

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/base/result.h"

struct sockaddr;

namespace outrigger::net {

class Address {
 public:
  enum class Kind { Ip, Host, Unix };

  // "host:port", "1.2.3.4:port", "[v6]:port", "unix:/path"; the error is a sentence for people.
  static Result<Address, std::string> parse(std::string_view text);
  // Of an AF_INET, AF_INET6 or AF_UNIX address.
  static Address from_native(const sockaddr& native);

  Address with_port(std::uint16_t port) const { return {kind_, host_, port}; }

  Kind kind() const { return kind_; }
  // The name, the IP address as text (without brackets), or the path.
  const std::string& host() const { return host_; }
  std::uint16_t port() const { return port_; }
  // 127.0.0.0/8, ::1, a Unix socket, or the name localhost.
  bool is_loopback() const;
  // As parse() takes it.
  std::string to_string() const;

  // For socket calls, of Ip and Unix only.
  socklen_t to_native(sockaddr_storage& native) const;

  // In a fixed order that means nothing, to compare and to sort.
  auto operator<=>(const Address&) const = default;

 private:
  Address(Kind kind, std::string host, std::uint16_t port)
      : kind_(kind), host_(std::move(host)), port_(port) {}
  static Result<Address, std::string> parse_unix(std::string_view path);
  static Result<Address, std::string> parse_host(std::string_view host, std::uint16_t port);

  Kind kind_;
  std::string host_;  // an IP address in its canonical form, so that text and address are one
  std::uint16_t port_;
};

}  // namespace outrigger::net
