// A request's or response's head as the exchange sees it: meaning, not wire format.
//
// All views point into the block of bytes the head was parsed from and live as long as it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/http/headers.h"

namespace outrigger::http {

// How many bytes follow the head, and how their end is known (RFC 9112, 6).
enum class Framing : std::uint8_t {
  None,        // no body
  Length,      // content_length bytes
  Chunked,     //
  UntilClose,  // responses only
};

struct RequestHead {
  std::string_view method;
  std::string_view target;  // origin-form (path and query as sent) or "*"
  std::string_view path;    // target without the query
  // Of an absolute-form target, else the Host field; may be empty (1.0).
  std::string_view authority;
  bool absolute_form = false;
  std::uint8_t minor_version = 1;  // HTTP/1.x
  Framing framing = Framing::None;
  std::uint64_t content_length = 0;  // for Framing::Length
  bool keep_alive = true;            // what the caller asked for
  bool names_others = false;         // Connection names more than close, keep-alive, upgrade, te
  bool expect_continue = false;
  bool is_head = false;                       // the method is HEAD: its response has no body
  std::optional<std::uint64_t> max_forwards;  // of OPTIONS and TRACE (RFC 9110, 7.6.2)
  std::string_view upgrade;                   // the Upgrade field's value where Connection names it
  Headers headers;

  void clear();
  // A copy that needs nothing of this one: its texts stand in `block`.
  void copy_to(RequestHead& to, std::string& block) const;
  // What follows the `?` of the target; empty also where there is none.
  std::string_view query() const { return target.substr(std::min(path.size() + 1, target.size())); }
};

struct ResponseHead {
  int status = 0;
  std::uint8_t minor_version = 1;
  Framing framing = Framing::None;
  std::uint64_t content_length = 0;  // Framing::Length; also what a HEAD's response declares
  bool has_content_length = false;   // a response to HEAD, 304: to be passed on, no body follows
  bool keep_alive = true;            // the upstream will answer again on this connection
  bool names_others = false;         // as a request's
  Headers headers;

  void clear();
  bool informational() const { return status >= 100 && status < 200 && status != 101; }
};

}  // namespace outrigger::http
