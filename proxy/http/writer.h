// Messages to bytes: always written anew from parsed fields, nothing copied through.
//
// Fields keep their order, number and spelling; framing, connection and the proxy's own fields
// are the proxy's to write (CONFIG.md, Headers the proxy owns).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/http/header_edits.h"
#include "proxy/http/message.h"
#include "proxy/http/out_buffer.h"

namespace outrigger::http {

// In place of a request's target; both empty: as it came.
struct NewTarget {
  std::string_view prefix;
  std::string_view rest;
};

// What the proxy says to an upstream beside the caller's own fields.
struct RequestAdditions {
  std::string_view request_id;  // written where the head has none
  bool forwarded_append = false;
  bool forwarded_remove = false;
  std::string_view client_ip;
  std::string_view proto;
  std::uint32_t attempt = 1;  // x-outrigger-attempt, always written
  std::uint64_t timeout_ms = 0;
  bool has_timeout = false;       // x-request-timeout-ms is ours to say, in place of the caller's
  bool has_grpc_timeout = false;  // the same of grpc-timeout
  bool via = false;
  bool keep_upgrade = false;  // pass Upgrade on
  bool close = false;         // ask the upstream to close after it
  // What the route changes.
  NewTarget target;
  std::string_view host;          // in place of the request's; empty: as it came
  bool host_of_endpoint = false;  // `host` is the endpoint's, known once that is chosen
  const HeaderEdits* edits = nullptr;
  std::string_view upstream;  // as %{upstream}
};

void write_request_head(OutBuffer& out, const RequestHead& head, const RequestAdditions& add);

// How the response's body goes to the caller, and what the proxy adds.
struct ResponseAdditions {
  std::string_view request_id;    // written where the head has none
  std::string_view date;          // empty: the head has one
  std::string_view proxy_status;  // written beside the upstream's own
  bool close = false;
  bool keep_alive_10 = false;  // an HTTP/1.0 caller is told that the connection stays
  bool chunked = false;
  bool via = false;
  std::span<const std::string> set_cookies;  // further ones; empty ones are none
  const HeaderEdits* edits = nullptr;        // the route's
  HeaderVariables variables;                 // of them
};

void write_response_head(OutBuffer& out, const ResponseHead& head, const ResponseAdditions& add);
void write_informational(OutBuffer& out, const ResponseHead& head);

void write_chunk_size(OutBuffer& out, std::uint64_t size);
void write_last_chunk(OutBuffer& out, const Headers* trailers);

// An answer of our own. Empty views are left out.
struct LocalResponse {
  int status = 200;
  std::string_view proxy_status;
  std::string_view body;
  std::string_view content_type;
  std::string_view request_id;
  std::string_view date;
  std::string_view outrigger_retry;
  std::uint32_t retry_after_s = 0;  // 0: none
  bool close = false;
  bool keep_alive_10 = false;
  bool head_only = false;  // to HEAD: the length, no bytes
  std::span<const std::pair<std::string, std::string>> headers;
};

// How many bytes of body it wrote.
std::size_t write_local_response(OutBuffer& out, const LocalResponse& response);

std::string_view reason_phrase(int status);

}  // namespace outrigger::http
