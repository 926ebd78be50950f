// `host:port`, `[v6]:port` or `unix:/path`, taken apart. Nothing is resolved.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/quantity.h"

namespace outrigger::config {

struct Address {
  std::string host;  // without brackets; empty for a Unix socket
  std::uint16_t port = 0;
  std::string unix_path;

  bool is_unix() const { return !unix_path.empty(); }
  // An IPv4 or IPv6 literal, as opposed to a name.
  bool is_literal() const;
  // 127.0.0.0/8, ::1 or localhost.
  bool is_loopback() const;
};

// Port 0 is accepted here; whether it makes sense is the caller's matter.
Result<Address, Hint> parse_address(std::string_view text);

// A host name (letters, digits, `-`, `_`, labels up to 63, 253 in all) or an IPv4 literal.
bool is_host(std::string_view text);

}  // namespace outrigger::config
