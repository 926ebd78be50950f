// A head given as text, scanned and parsed as a connection would do it.
#pragma once

#include <string>
#include <utility>

#include "proxy/http/head_scanner.h"
#include "proxy/http/parser.h"

namespace outrigger::http {

// The head's length, or an error; NeedMore becomes Malformed, for a test that gives whole heads.
inline HeadError scan_whole(const std::string& text, std::size_t max_bytes, std::size_t& length) {
  HeadScanner scanner;
  const auto outcome = scanner.scan(text, max_bytes);
  length = outcome.length;
  if (outcome.kind == HeadScanner::Outcome::Kind::Complete) return HeadError::None;
  return outcome.kind == HeadScanner::Outcome::Kind::Error ? outcome.error : HeadError::Malformed;
}

// Not moved: the head's views point into `text`.
struct ParsedRequest {
  explicit ParsedRequest(std::string from, RequestLimits limits = {}) : text(std::move(from)) {
    std::size_t length = 0;
    error = scan_whole(text, limits.max_head_bytes, length);
    if (error != HeadError::None) return;
    error = parse_request(std::string_view(text).substr(0, length), limits, head);
  }
  ParsedRequest(const ParsedRequest&) = delete;
  ParsedRequest& operator=(const ParsedRequest&) = delete;

  std::string text;
  RequestHead head;
  HeadError error = HeadError::None;
};

struct ParsedResponse {
  explicit ParsedResponse(std::string from, ResponseContext context = {},
                          std::size_t max_headers = 64)
      : text(std::move(from)) {
    std::size_t length = 0;
    error = scan_whole(text, 64 * 1024, length);
    if (error != HeadError::None) return;
    error = parse_response(std::string_view(text).substr(0, length), context, max_headers, head);
  }
  ParsedResponse(const ParsedResponse&) = delete;
  ParsedResponse& operator=(const ParsedResponse&) = delete;

  std::string text;
  ResponseHead head;
  HeadError error = HeadError::None;
};

}  // namespace outrigger::http
