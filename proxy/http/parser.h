// From the bytes of one head to its meaning; the only file pair that sees llhttp.
//
// llhttp parses; on top stand the checks it lacks in 8.1 (framing that two readers could take
// differently, Host rules, forms of targets). Where they disagree, the message is refused.
// Compiled with LLHTTP_STRICT_MODE=1: the loose parser takes known smuggling inputs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "proxy/http/chunked.h"
#include "proxy/http/head_scanner.h"
#include "proxy/http/message.h"

namespace outrigger::http {

struct RequestLimits {
  std::size_t max_head_bytes = 64 * 1024;
  std::size_t max_headers = 128;
  std::size_t max_uri_bytes = 16 * 1024;
};

// `block`: exactly one head as HeadScanner delimited it; views in `head` point into it. `head`
// is clear before. Thread-safe.
HeadError parse_request(std::string_view block, const RequestLimits& limits, RequestHead& head);

// Puts the "/" in that http://host?query leaves out (RFC 9110, 4.2.3), for parse_request() refuses
// it: views have no place for it. False where the target is another one.
bool insert_missing_path(std::string& block);

struct ResponseLimits {
  std::size_t max_head_bytes = 64 * 1024;
  std::size_t max_headers = 256;
  std::uint32_t max_informational_responses = 16;
  ChunkLimits body;
};

struct ResponseContext {
  bool to_head = false;            // the request was HEAD
  bool upgrade_requested = false;  // only then may a 101 come
};

// Any error means that the response cannot be trusted.
HeadError parse_response(std::string_view block, const ResponseContext& context,
                         std::size_t max_headers, ResponseHead& head);

}  // namespace outrigger::http
