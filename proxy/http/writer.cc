#include "proxy/http/writer.h"

#include <algorithm>
#include <cstring>

#include "proxy/http/hop_by_hop.h"
#include "proxy/http/tokens.h"

namespace outrigger::http {
namespace {

void field(OutBuffer& out, std::string_view name, std::string_view value) {
  out.append_all(name, ": ", value, "\r\n");
}

// Fields that are passed on as they came. Those that stand beside one another in the head they were
// parsed from, each written as we would write it, are one stretch of it and are copied as one.
class Passed {
 public:
  explicit Passed(OutBuffer& out) : out_(out) {}
  ~Passed() { write(); }
  Passed(const Passed&) = delete;
  Passed& operator=(const Passed&) = delete;

  void add(const HeaderField& each) {
    if (!between(each.name, each.value, ": ")) {
      write();
      return field(out_, each.name, each.value);
    }
    const char* const end = each.value.data() + each.value.size();
    if (stretch_.empty() || !between(stretch_, each.name, "\r\n")) {
      write();
      stretch_ = each.name;
    }
    stretch_ = {stretch_.data(), static_cast<std::size_t>(end - stretch_.data())};
  }

 private:
  // Whether `b` follows `a` with these two bytes in between.
  static bool between(std::string_view a, std::string_view b, const char* two) {
    const char* const end = a.data() + a.size();
    return b.data() == end + 2 && std::memcmp(end, two, 2) == 0;
  }
  void write() {
    if (stretch_.empty()) return;
    out_.append_many(stretch_);
    out_.append("\r\n");
    stretch_ = {};
  }

  OutBuffer& out_;
  std::string_view stretch_;
};

void number_field(OutBuffer& out, std::string_view name, std::uint64_t value) {
  out.append_all(name, ": ", value, "\r\n");
}

// Three digits, as a parser has seen to it, or the configuration.
void status_line(OutBuffer& out, int status) {
  out.append_all("HTTP/1.1 ", static_cast<std::uint64_t>(status), " ", reason_phrase(status),
                 "\r\n");
}

bool wants_trailers(const Headers& headers) {
  if (!headers.has(Field::Te)) return false;
  bool wanted = false;
  for (const HeaderField& each : headers.all()) {
    if (each.id != Field::Te) continue;
    for_each_element(each.value, [&wanted](std::string_view coding) {
      wanted = wanted || equals_ignore_case(coding, "trailers");
    });
  }
  return wanted;
}

bool expects_body(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

constexpr std::uint32_t bit(Field id) {
  return std::uint32_t{1} << static_cast<unsigned>(id);
}

// One X-Forwarded-For: what came, then the caller.
void forwarded_for(OutBuffer& out, const Headers& headers, std::string_view client_ip) {
  out.append("X-Forwarded-For: ");
  for (const HeaderField& each : headers.all()) {
    if (each.id != Field::XForwardedFor || each.value.empty()) continue;
    out.append(each.value);
    out.append(", ");
  }
  out.append(client_ip);
  out.append("\r\n");
}

bool is_forwarded(Field id) {
  return id == Field::XForwardedFor || id == Field::XForwardedProto || id == Field::XForwardedHost;
}

// Written by us in its place, or not passed on.
bool replaced(const HeaderField& each, const RequestHead& head, const RequestAdditions& add) {
  switch (each.id) {
    case Field::ContentLength:
    case Field::Host:
    case Field::XOutriggerAttempt:
      return true;
    case Field::Expect:
      return !head.expect_continue;
    case Field::MaxForwards:
      return head.max_forwards.has_value();
    case Field::XRequestId:
      return each.value.empty() && !add.request_id.empty();
    case Field::XRequestTimeoutMs:
      return add.has_timeout;
    case Field::GrpcTimeout:
      return add.has_grpc_timeout;
    case Field::XForwardedFor:
      return add.forwarded_remove || (add.forwarded_append && !add.client_ip.empty());
    default:
      return add.forwarded_remove && is_forwarded(each.id);
  }
}

bool edited_away(const HeaderEdits* edits, const HeaderField& each) {
  return edits && edits->drops(each.id, each.name);
}
bool edited_away(const HeaderEdits* edits, Field id) {
  return edits && edits->drops(id);
}

// Which of the known fields were passed on.
std::uint32_t pass_fields(OutBuffer& out, const RequestHead& head, const RequestAdditions& add) {
  std::uint32_t passed = 0;
  const HopByHop hop(head.headers, head.names_others);
  const bool as_they_are = !head.names_others && !add.edits;  // those unknown to us
  Passed fields(out);
  for (const HeaderField& each : head.headers.all()) {
    const bool passes =
        (as_they_are && each.id == Field::Other) ||
        (!hop.dropped(each) && !replaced(each, head, add) && !edited_away(add.edits, each));
    if (!passes) continue;
    fields.add(each);
    passed |= bit(each.id);
  }
  return passed;
}

void pass_fields(OutBuffer& out, const ResponseHead& head, const ResponseAdditions& add) {
  const HopByHop hop(head.headers, head.names_others);
  Passed fields(out);
  for (const HeaderField& each : head.headers.all()) {
    const bool ours = each.id == Field::ContentLength || each.id == Field::XOutriggerRetry;
    if (!ours && !hop.dropped(each) && !edited_away(add.edits, each)) fields.add(each);
  }
}

void request_framing(OutBuffer& out, const RequestHead& head) {
  if (head.framing == Framing::Length) {
    number_field(out, "Content-Length", head.content_length);
  } else if (head.framing == Framing::Chunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  } else if (expects_body(head.method)) {
    out.append("Content-Length: 0\r\n");
  }
}

// Connection names what of this hop is said beside it (RFC 9110, 7.6.1).
void request_connection(OutBuffer& out, const RequestHead& head, const RequestAdditions& add) {
  const bool trailers = wants_trailers(head.headers);
  if (trailers) out.append("TE: trailers\r\n");
  if (add.keep_upgrade) {
    field(out, "Upgrade", head.upgrade);
    out.append(trailers ? "Connection: upgrade, te\r\n" : "Connection: upgrade\r\n");
  } else if (add.close) {
    out.append(trailers ? "Connection: close, te\r\n" : "Connection: close\r\n");
  } else if (trailers) {
    out.append("Connection: te\r\n");
  }
}

// At most eight digits and a unit: milliseconds where they suffice, else whole seconds.
void grpc_timeout(OutBuffer& out, std::uint64_t ms) {
  constexpr std::uint64_t kMost = 99'999'999;
  out.append_all("grpc-timeout: ", ms <= kMost ? ms : std::min(ms / 1000, kMost),
                 ms <= kMost ? "m\r\n" : "S\r\n");
}

void via(OutBuffer& out, std::uint8_t minor_version) {
  out.append(minor_version > 0 ? "Via: 1.1 outrigger\r\n" : "Via: 1.0 outrigger\r\n");
}

}  // namespace

void write_request_head(OutBuffer& out, const RequestHead& head, const RequestAdditions& add) {
  out.append_all(head.method, " ", add.target.prefix.empty() ? head.target : add.target.prefix,
                 add.target.rest,
                 " HTTP/1.1\r\nHost: ", add.host.empty() ? head.authority : add.host, "\r\n");
  const std::uint32_t passed = pass_fields(out, head, add);
  const auto may_add = [&add, passed](Field id) {
    return !(passed & bit(id)) && !edited_away(add.edits, id);
  };
  request_framing(out, head);
  request_connection(out, head, add);
  if (head.max_forwards && !edited_away(add.edits, Field::MaxForwards)) {
    number_field(out, "Max-Forwards", std::max<std::uint64_t>(*head.max_forwards, 1) - 1);
  }
  if (add.forwarded_append) {
    if (!add.client_ip.empty() && may_add(Field::XForwardedFor)) {
      forwarded_for(out, head.headers, add.client_ip);
    }
    if (may_add(Field::XForwardedProto)) field(out, "X-Forwarded-Proto", add.proto);
    if (may_add(Field::XForwardedHost) && !head.authority.empty()) {
      field(out, "X-Forwarded-Host", head.authority);
    }
  }
  if (may_add(Field::XRequestId) && !add.request_id.empty()) {
    field(out, "X-Request-Id", add.request_id);
  }
  number_field(out, "x-outrigger-attempt", add.attempt);
  if (add.has_timeout && may_add(Field::XRequestTimeoutMs)) {
    number_field(out, "x-request-timeout-ms", add.timeout_ms);
  }
  if (add.has_grpc_timeout && may_add(Field::GrpcTimeout)) grpc_timeout(out, add.timeout_ms);
  if (add.via && !edited_away(add.edits, Field::Via)) via(out, head.minor_version);
  if (add.edits) {
    add.edits->write(out, {.request_id = add.request_id,
                           .client_ip = add.client_ip,
                           .upstream = add.upstream,
                           .attempt = add.attempt});
  }
  out.append("\r\n");
}

void write_response_head(OutBuffer& out, const ResponseHead& head, const ResponseAdditions& add) {
  status_line(out, head.status);
  pass_fields(out, head, add);
  if (head.status == 101) {
    field(out, "Upgrade", head.headers.value_of(Field::Upgrade));
    out.append("Connection: upgrade\r\n");
  } else if (head.has_content_length && head.status >= 200 && head.status != 204) {
    number_field(out, "Content-Length", head.content_length);
  }
  if (add.chunked) out.append("Transfer-Encoding: chunked\r\n");
  if (!add.date.empty() && !edited_away(add.edits, Field::Date)) field(out, "Date", add.date);
  if (!add.request_id.empty() && head.headers.value_of(Field::XRequestId).empty() &&
      !edited_away(add.edits, Field::XRequestId)) {
    field(out, "X-Request-Id", add.request_id);
  }
  if (!add.proxy_status.empty()) field(out, "Proxy-Status", add.proxy_status);
  if (add.via && !edited_away(add.edits, Field::Via)) via(out, head.minor_version);
  if (add.close) out.append("Connection: close\r\n");
  if (add.keep_alive_10) out.append("Connection: keep-alive\r\n");
  for (const std::string& cookie : add.set_cookies) {
    if (!cookie.empty()) field(out, "Set-Cookie", cookie);
  }
  if (add.edits) add.edits->write(out, add.variables);
  out.append("\r\n");
}

void write_informational(OutBuffer& out, const ResponseHead& head) {
  status_line(out, head.status);
  const HopByHop hop(head.headers, head.names_others);
  for (const HeaderField& each : head.headers.all()) {
    const bool framing = each.id == Field::ContentLength;
    if (!framing && !hop.dropped(each)) field(out, each.name, each.value);
  }
  out.append("\r\n");
}

void write_chunk_size(OutBuffer& out, std::uint64_t size) {
  out.append_hex(size);
  out.append("\r\n");
}

void write_last_chunk(OutBuffer& out, const Headers* trailers) {
  out.append("0\r\n");
  if (trailers) {
    for (const HeaderField& each : trailers->all()) field(out, each.name, each.value);
  }
  out.append("\r\n");
}

std::size_t write_local_response(OutBuffer& out, const LocalResponse& response) {
  status_line(out, response.status);
  bool has_type = false;
  for (const auto& [name, value] : response.headers) {
    const Field id = field_id(name);
    if (id == Field::ContentLength || HopByHop::always_dropped(id)) continue;
    has_type = has_type || id == Field::ContentType;
    field(out, name, value);
  }
  if (!response.date.empty()) field(out, "Date", response.date);
  if (!has_type && !response.content_type.empty())
    field(out, "Content-Type", response.content_type);
  const bool bodiless = response.status < 200 || response.status == 204 || response.status == 304;
  if (!bodiless) number_field(out, "Content-Length", response.body.size());
  if (!response.proxy_status.empty()) field(out, "Proxy-Status", response.proxy_status);
  if (response.retry_after_s > 0) number_field(out, "Retry-After", response.retry_after_s);
  if (!response.outrigger_retry.empty()) field(out, "x-outrigger-retry", response.outrigger_retry);
  if (!response.request_id.empty()) field(out, "X-Request-Id", response.request_id);
  if (response.close) out.append("Connection: close\r\n");
  if (response.keep_alive_10) out.append("Connection: keep-alive\r\n");
  out.append("\r\n");
  if (bodiless || response.head_only) return 0;
  out.append(response.body);
  return response.body.size();
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 102:
      return "Processing";
    case 103:
      return "Early Hints";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 203:
      return "Non-Authoritative Information";
    case 204:
      return "No Content";
    case 205:
      return "Reset Content";
    case 206:
      return "Partial Content";
    case 207:
      return "Multi-Status";
    case 300:
      return "Multiple Choices";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 407:
      return "Proxy Authentication Required";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 418:
      return "I'm a teapot";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 425:
      return "Too Early";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 451:
      return "Unavailable For Legal Reasons";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    case 511:
      return "Network Authentication Required";
    default:
      return "Unknown";
  }
}

}  // namespace outrigger::http
