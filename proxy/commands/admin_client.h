// What a command asks of a running daemon: one request a connection, waited for.
//
// Commands read from top to bottom: ask() and pause() run a loop of their own until there is an
// answer or the time is over, and no wait is without a bound. Names are not resolved, as the
// resolver's threads know no time limit: an admin address is an IP address, localhost or a socket.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/base/result.h"
#include "proxy/net/address.h"
#include "proxy/net/loop.h"

namespace outrigger::commands {

struct AdminAnswer {
  int status = 0;
  std::string text;  // the first line of the body
};

struct NoAnswer {
  std::string why;
  bool nobody_there = false;  // nothing listens at the address
};

class AdminClient {
 public:
  static constexpr std::size_t kMaxHeadBytes = 16 * 1024;
  static constexpr std::size_t kMaxHeaders = 128;
  static constexpr std::size_t kMaxText = 1024;

  // The error is a sentence for people.
  static Result<net::Address, std::string> parse_address(std::string_view text);

  // `address` as parse_address() gives it. Without a token changes are asked for by the header
  // X-Outrigger-Admin.
  AdminClient(const net::Address& address, const std::optional<std::string>& token);

  Result<AdminAnswer, NoAnswer> ask(std::string_view method, std::string_view path,
                                    TimePoint until);
  void pause(Duration duration);
  TimePoint now() { return loop_.now(); }
  std::string address() const { return address_.to_string(); }

 private:
  net::Loop loop_;
  net::Address address_;
  std::string fields_;
};

}  // namespace outrigger::commands
