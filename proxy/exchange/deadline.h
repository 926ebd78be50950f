// What callers say of how long they wait: x-request-timeout-ms and grpc-timeout.
//
// Both count from the arrival of the head. A value that says nothing is ignored, and counted.
#pragma once

#include <optional>
#include <string_view>

#include "proxy/base/time.h"
#include "proxy/http/headers.h"

namespace outrigger::exchange {

// Which of the two a listener listens to (its deadline_headers).
struct DeadlineHeaders {
  bool timeout_ms = true;
  bool grpc = true;
};

struct CallerDeadline {
  std::optional<Duration> left;  // the shorter of the two; 0: it is over
  bool malformed = false;
};

CallerDeadline caller_deadline(const http::Headers& headers, const DeadlineHeaders& listen_to);

// Whole milliseconds, at most ten digits.
std::optional<Duration> parse_timeout_ms(std::string_view value);
// One to eight digits and one of H M S m u n (gRPC over HTTP/2, Timeout).
std::optional<Duration> parse_grpc_timeout(std::string_view value);

}  // namespace outrigger::exchange
