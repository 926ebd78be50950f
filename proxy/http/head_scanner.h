// Finds the end of a head in bytes that may come in pieces, and refuses what no sane peer sends.
//
// A framer of our own before llhttp: what both agree on is unambiguous. Every LF after a CR and
// every CR before an LF, no other control character but HTAB, no line that begins with white space
// (obs-fold, RFC 9112 5.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace outrigger::http {

enum class HeadError : std::uint8_t {
  None,
  Malformed,            // 400, of a response 502
  HeadTooLarge,         // 431: bytes or fields
  UriTooLong,           // 414
  NotImplemented,       // 501: CONNECT, unknown method or transfer coding
  ExpectationFailed,    // 417
  VersionNotSupported,  // 505
};

class HeadScanner {
 public:
  // Empty lines before a request line that are passed over (RFC 9112 2.2).
  static constexpr std::size_t kMaxLeadingLines = 4;

  struct Outcome {
    enum class Kind : std::uint8_t { NeedMore, Complete, Error };
    Kind kind = Kind::NeedMore;
    std::size_t length = 0;  // Complete: up to and including the empty line
    HeadError error = HeadError::None;
  };

  void reset() { *this = {}; }
  // `bytes`: all of this head so far, from its first byte. Call again with the same and more.
  Outcome scan(std::string_view bytes, std::size_t max_bytes);

 private:
  std::size_t next_ = 0;  // the first byte not looked at
  std::size_t line_ = 0;  // where its line begins
  std::size_t leading_lines_ = 0;
  bool begun_ = false;  // a line with something in it was seen
};

}  // namespace outrigger::http
