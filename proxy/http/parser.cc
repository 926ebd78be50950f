#include "proxy/http/parser.h"

#include <llhttp.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "proxy/http/tokens.h"

namespace outrigger::http {
namespace {

// Llhttp: fields and start line as views.

struct Sink {
  Headers* headers = nullptr;
  std::size_t room = 0;  // for so many more
  std::string_view name;
  bool too_many = false;
};

Sink& sink_of(llhttp_t* parser) {
  return *static_cast<Sink*>(parser->data);
}

// A name is a token by llhttp's account, but for one of no bytes.
int on_field(llhttp_t* parser, const char* at, std::size_t length) {
  sink_of(parser).name = {at, length};
  return length > 0 ? 0 : HPE_USER;
}

// Without the white space before it, but with what is behind it. Also told where there is none; it
// is then the beginning of the next line.
int on_value(llhttp_t* parser, const char* at, std::size_t length) {
  Sink& sink = sink_of(parser);
  if (sink.room == 0) {
    sink.too_many = true;
    return HPE_USER;
  }
  --sink.room;
  while (length > 0 && is_blank(at[length - 1])) --length;
  sink.headers->add(sink.name, {at, length});
  return 0;
}

int on_headers_complete(llhttp_t*) {
  return HPE_PAUSED;
}

const llhttp_settings_t& settings() {
  static const llhttp_settings_t instance = [] {
    llhttp_settings_t made;
    llhttp_settings_init(&made);
    made.on_header_field = on_field;
    made.on_header_value = on_value;
    made.on_headers_complete = on_headers_complete;
    return made;
  }();
  return instance;
}

HeadError run(llhttp_t& parser, llhttp_type_t type, std::string_view block, Sink& sink) {
  llhttp_init(&parser, type, &settings());
  parser.data = &sink;
  const llhttp_errno_t error = llhttp_execute(&parser, block.data(), block.size());
  if (sink.too_many) return HeadError::HeadTooLarge;
  if (error == HPE_INVALID_METHOD) return HeadError::NotImplemented;
  if (error == HPE_INVALID_VERSION) return HeadError::VersionNotSupported;
  if (error != HPE_PAUSED) return HeadError::Malformed;
  // Two framers must agree where the head ends.
  const char* stopped = llhttp_get_error_pos(&parser);
  return stopped == block.data() + block.size() ? HeadError::None : HeadError::Malformed;
}

// Framing (RFC 9112, 6).

constexpr std::uint64_t kMaxContentLength = std::uint64_t{1} << 62;

std::optional<std::uint64_t> parse_length(std::string_view text) {
  std::uint64_t number = 0;
  if (text.size() - 1 < 18) {  // what most are: no number so short is too large
    for (const char c : text) {
      if (!is_digit(c)) return std::nullopt;
      number = number * 10 + static_cast<unsigned>(c - '0');
    }
    return number;
  }
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = result.ec == std::errc{} && result.ptr == text.data() + text.size();
  if (!whole || number > kMaxContentLength) return std::nullopt;
  return number;
}

// RFC 9112, 7: `chunked` comes once and last.
HeadError refused_coding(std::string_view list) {
  HeadError error = HeadError::NotImplemented;
  for (std::string_view rest = list; error == HeadError::NotImplemented;) {
    const auto comma = rest.find(',');
    const bool last = comma == std::string_view::npos;
    const std::string_view coding = trimmed(rest.substr(0, comma));
    const std::string_view name = trimmed(coding.substr(0, coding.find(';')));
    const bool chunked = equals_ignore_case(name, "chunked");
    if (!is_token(name) || (chunked && (!last || name.size() != coding.size()))) {
      error = HeadError::Malformed;
    }
    if (last) break;
    rest.remove_prefix(comma + 1);
  }
  return error;
}

struct BodyFields {
  bool chunked = false;
  std::optional<std::uint64_t> length;
};

// One Content-Length (repeated only with the same digits), or one Transfer-Encoding that is
// exactly `chunked` and not from HTTP/1.0; never both. A coding we do not know is told apart from
// a list that no reader should trust.
HeadError read_framing(const Headers& headers, int minor, BodyFields& found) {
  if (headers.has(Field::ContentLength)) {
    const std::string_view digits = headers.value_of(Field::ContentLength);
    found.length = parse_length(digits);
    if (!found.length || headers.has(Field::TransferEncoding)) return HeadError::Malformed;
    if (!headers.repeats(Field::ContentLength)) return HeadError::None;
    const bool same = std::ranges::all_of(headers.all(), [digits](const HeaderField& field) {
      return field.id != Field::ContentLength || field.value == digits;
    });
    return same ? HeadError::None : HeadError::Malformed;
  }
  if (!headers.has(Field::TransferEncoding)) return HeadError::None;
  if (headers.repeats(Field::TransferEncoding) || minor == 0) return HeadError::Malformed;
  const std::string_view coding = headers.value_of(Field::TransferEncoding);
  found.chunked = equals_ignore_case(coding, "chunked");
  return found.chunked ? HeadError::None : refused_coding(coding);
}

// Connection.

// Each costs a look through the fields when they are passed on.
constexpr std::size_t kMaxConnectionOptions = 32;

struct ConnectionOptions {
  std::size_t count = 0;
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  bool others = false;   // than these and te
  bool refused = false;  // too many, or one that frames or routes the message
};

ConnectionOptions read_connection(const Headers& headers) {
  ConnectionOptions options;
  if (!headers.has(Field::Connection)) return options;
  for (const HeaderField& field : headers.all()) {
    if (field.id != Field::Connection) continue;
    for_each_element(field.value, [&options](std::string_view element) {
      options.refused = options.refused || ++options.count > kMaxConnectionOptions;
      if (equals_ignore_case(element, "close")) {
        options.close = true;
      } else if (equals_ignore_case(element, "keep-alive")) {
        options.keep_alive = true;
      } else if (equals_ignore_case(element, "upgrade")) {
        options.upgrade = true;
      } else if (!equals_ignore_case(element, "te")) {
        options.others = true;
        const Field named = field_id(element);
        options.refused = options.refused || named == Field::ContentLength ||
                          named == Field::TransferEncoding || named == Field::Host;
      }
    });
  }
  return options;
}

// Request lines.

// METHOD SP TARGET SP HTTP/1.x, one space between the parts. What has more spaces has them in the
// target, where no good one has any.
struct RequestLine {
  std::string_view method, target, version;
};

std::optional<RequestLine> split_line(std::string_view block) {
  constexpr std::size_t kVersion = std::string_view("HTTP/1.1").size();
  while (block.starts_with("\r\n")) block.remove_prefix(2);
  const char* const begin = block.data();
  const char* const line_end = begin + std::min(block.find('\r'), block.size());
  const char* const first = std::find(begin, line_end, ' ');
  if (line_end - first < static_cast<std::ptrdiff_t>(kVersion) + 2) return std::nullopt;
  const char* const version = line_end - kVersion;
  if (version[-1] != ' ') return std::nullopt;
  return RequestLine{{begin, first}, {first + 1, version - 1}, {version, line_end}};
}

// Visible ASCII but what RFC 3986 keeps out of a URI raw; no encoded NUL.
bool good_target_bytes(std::string_view target) {
  static constexpr ByteSet kGood = ByteSet::visible_but("#\\<>\"{}|^`");
  if (!kGood.has_all(target)) return false;
  return target.find('%') == std::string_view::npos || target.find("%00") == std::string_view::npos;
}

bool good_port(std::string_view port) {
  std::uint32_t number = 0;
  const auto result = std::from_chars(port.data(), port.data() + port.size(), number);
  return port.empty() ||
         (result.ec == std::errc{} && result.ptr == port.data() + port.size() && number <= 65535);
}

// A host with an optional port (RFC 3986, 3.2), without userinfo.
bool good_authority(std::string_view authority) {
  static constexpr ByteSet kName = ByteSet::visible_but("/?#@\\,<>\"{}|^`[]:");
  static constexpr ByteSet kAddress = ByteSet::of("0123456789abcdefABCDEF:.");
  const bool bracketed = authority.starts_with('[');
  const auto end = bracketed ? authority.find(']') : authority.find(':');
  if (bracketed && end == std::string_view::npos) return false;
  const std::string_view host = bracketed ? authority.substr(1, end - 1) : authority.substr(0, end);
  if (host.empty() || !(bracketed ? kAddress : kName).has_all(host)) return false;
  const std::string_view rest = end == std::string_view::npos
                                    ? std::string_view{}
                                    : authority.substr(bracketed ? end + 1 : end);
  return rest.empty() || (rest.front() == ':' && good_port(rest.substr(1)));
}

HeadError read_target(std::string_view target, RequestHead& head) {
  if (!good_target_bytes(target)) return HeadError::Malformed;
  if (target == "*") {
    if (head.method != "OPTIONS") return HeadError::Malformed;
    head.target = head.path = target;
    return HeadError::None;
  }
  if (!target.starts_with('/')) {
    const auto scheme_end = target.find("://");
    if (scheme_end == std::string_view::npos) return HeadError::Malformed;
    const auto scheme = target.substr(0, scheme_end);
    if (!equals_ignore_case(scheme, "http") && !equals_ignore_case(scheme, "https")) {
      return HeadError::Malformed;
    }
    target.remove_prefix(scheme_end + 3);
    const auto end = target.find_first_of("/?");
    head.authority = target.substr(0, end);
    head.absolute_form = true;
    if (!good_authority(head.authority)) return HeadError::Malformed;
    if (end == std::string_view::npos) {
      target = head.method == "OPTIONS" ? "*" : "/";  // RFC 9112, 3.2.4
    } else {
      target.remove_prefix(end);
    }
    if (target.starts_with('?')) return HeadError::Malformed;  // insert_missing_path() first
  }
  head.target = target;
  head.path = target.substr(0, target.find('?'));
  return HeadError::None;
}

HeadError read_host(RequestHead& head) {
  if (head.headers.repeats(Field::Host)) return HeadError::Malformed;
  const std::string_view host = head.headers.value_of(Field::Host);
  // HTTP/1.0 may leave it out; an http URI without a host is none (RFC 9110, 4.2.1).
  if (host.empty() ? head.minor_version > 0 : !good_authority(host)) return HeadError::Malformed;
  if (!head.absolute_form) head.authority = host;
  return HeadError::None;
}

HeadError read_version(std::string_view version, std::uint8_t& minor) {
  const bool shaped = version.starts_with("HTTP/") && version[6] == '.' && is_digit(version[5]) &&
                      is_digit(version[7]);
  if (shaped && version[5] == '1' && version[7] <= '1') {
    minor = static_cast<std::uint8_t>(version[7] - '0');
    return HeadError::None;
  }
  return shaped ? HeadError::VersionNotSupported : HeadError::Malformed;
}

HeadError read_expect(RequestHead& head) {
  if (!head.headers.has(Field::Expect)) return HeadError::None;
  for (const HeaderField& field : head.headers.all()) {
    if (field.id != Field::Expect) continue;
    if (!equals_ignore_case(field.value, "100-continue")) return HeadError::ExpectationFailed;
  }
  head.expect_continue = head.minor_version > 0;  // RFC 9110, 10.1.1: ignored from HTTP/1.0
  return HeadError::None;
}

// How many proxies may still pass the request on; for a number beyond ours, the most we know.
std::optional<std::uint64_t> read_max_forwards(const RequestHead& head) {
  if (!head.headers.has(Field::MaxForwards)) return std::nullopt;
  if (head.method != "OPTIONS" && head.method != "TRACE") return std::nullopt;
  const auto value = head.headers.value_of(Field::MaxForwards);
  std::uint64_t number = 0;
  const auto result = std::from_chars(value.data(), value.data() + value.size(), number);
  if (result.ec == std::errc::invalid_argument || result.ptr != value.data() + value.size()) {
    return std::nullopt;
  }
  return result.ec == std::errc{} ? number : std::numeric_limits<std::uint64_t>::max();
}

bool may_be_method(const llhttp_t& parser) {
  return parser.method <= HTTP_SOURCE && parser.method != HTTP_CONNECT &&
         parser.method != HTTP_SOURCE;
}

}  // namespace

HeadError parse_request(std::string_view block, const RequestLimits& limits, RequestHead& head) {
  const auto line = split_line(block);
  if (!line) return HeadError::Malformed;
  if (line->target.size() > limits.max_uri_bytes) return HeadError::UriTooLong;
  if (!is_token(line->method)) return HeadError::Malformed;
  if (const auto error = read_version(line->version, head.minor_version);
      error != HeadError::None) {
    return error;
  }
  head.method = line->method;
  if (head.method == "CONNECT") return HeadError::NotImplemented;
  if (const auto error = read_target(line->target, head); error != HeadError::None) return error;

  llhttp_t parser;
  Sink sink{.headers = &head.headers, .room = limits.max_headers};
  const HeadError refused = run(parser, HTTP_REQUEST, block, sink);
  if (!may_be_method(parser)) return HeadError::NotImplemented;
  if (refused != HeadError::None) return refused;
  if (const auto error = read_host(head); error != HeadError::None) return error;

  BodyFields body;
  if (const auto error = read_framing(head.headers, head.minor_version, body);
      error != HeadError::None) {
    return error;
  }
  if (body.chunked) head.framing = Framing::Chunked;
  if (body.length.value_or(0) > 0) {
    head.framing = Framing::Length;
    head.content_length = *body.length;
  }
  if (head.method == "TRACE" && head.framing != Framing::None) return HeadError::Malformed;

  const ConnectionOptions options = read_connection(head.headers);
  if (options.refused) return HeadError::Malformed;
  head.keep_alive = head.minor_version == 0 ? options.keep_alive && !options.close : !options.close;
  head.names_others = options.others;
  if (options.upgrade && head.minor_version > 0) {
    head.upgrade = head.headers.value_of(Field::Upgrade);
  }
  head.is_head = head.method == "HEAD";
  head.max_forwards = read_max_forwards(head);
  return read_expect(head);
}

bool insert_missing_path(std::string& block) {
  const auto line = split_line(block);
  if (!line || line->target.starts_with('/')) return false;
  const auto scheme_end = line->target.find("://");
  if (scheme_end == std::string_view::npos) return false;
  const auto end = line->target.find_first_of("/?", scheme_end + 3);
  if (end == std::string_view::npos || line->target[end] != '?') return false;
  const auto before = static_cast<std::size_t>(line->target.data() - block.data());
  block.insert(before + end, 1, '/');
  return true;
}

HeadError parse_response(std::string_view block, const ResponseContext& context,
                         std::size_t max_headers, ResponseHead& head) {
  // HTTP/1.x SP three digits; llhttp takes more.
  if (block.size() < 13 || !block.starts_with("HTTP/1.") || (block[7] != '0' && block[7] != '1') ||
      block[8] != ' ' || (block[12] != ' ' && block[12] != '\r')) {
    return HeadError::Malformed;
  }
  const auto status = parse_length({block.data() + 9, 3});
  if (!status || *status < 100 || *status > 599) return HeadError::Malformed;

  llhttp_t parser;
  Sink sink{.headers = &head.headers, .room = max_headers};
  const auto error = run(parser, HTTP_RESPONSE, block, sink);
  if (error != HeadError::None) return error;

  head.status = static_cast<int>(*status);
  head.minor_version = static_cast<std::uint8_t>(block[7] - '0');
  const ConnectionOptions options = read_connection(head.headers);
  if (options.refused) return HeadError::Malformed;
  const bool switches = options.upgrade && !head.headers.value_of(Field::Upgrade).empty();
  if (head.status == 101 && !(context.upgrade_requested && switches)) return HeadError::Malformed;
  BodyFields body;
  if (read_framing(head.headers, head.minor_version, body) != HeadError::None) {
    return HeadError::Malformed;
  }
  head.keep_alive = head.minor_version == 0 ? options.keep_alive && !options.close : !options.close;
  head.names_others = options.others;
  head.has_content_length = body.length.has_value();
  head.content_length = body.length.value_or(0);
  const bool bodiless =
      context.to_head || head.status < 200 || head.status == 204 || head.status == 304;
  if (bodiless) return HeadError::None;
  if (body.chunked) {
    head.framing = Framing::Chunked;
  } else if (body.length) {
    head.framing = *body.length > 0 ? Framing::Length : Framing::None;
  } else {
    head.framing = Framing::UntilClose;
    head.keep_alive = false;
  }
  return HeadError::None;
}

}  // namespace outrigger::http
