// Responses: what is refused, and where the body ends.
#include "proxy/http/parser.h"
#include "tests/http/parsed.h"
#include "tests/support/catch.h"

using namespace outrigger::http;

namespace {

std::string ok(const std::string& fields) {
  return "HTTP/1.1 200 OK\r\n" + fields + "\r\n";
}

}  // namespace

TEST_CASE("responses that two readers could take differently are refused") {
  struct Case {
    const char* why;
    std::string text;
  };
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const std::vector<Case> table = {
      {"RFC 9112 2.2: bare LF", "HTTP/1.1 200 OK\nA: b\r\n\r\n"},
      {"RFC 9112 2.2: bare CR", ok("A: b\rc\r\n")},
      {"RFC 9112 5.2: obs-fold", ok("A: b\r\n c\r\n")},
      {"RFC 9112 5.1: no name", ok(": b\r\n")},
      {"RFC 9112 5.1: space before the colon", ok("A : b\r\n")},
      {"RFC 9110 5.5: control character", ok("A: b\x02\r\n")},
      {"RFC 9112 4: two digits", "HTTP/1.1 20 OK\r\n\r\n"},
      {"RFC 9112 4: four digits", "HTTP/1.1 2000 OK\r\n\r\n"},
      {"RFC 9112 4: letters", "HTTP/1.1 2x0 OK\r\n\r\n"},
      {"RFC 9112 4: a sign", "HTTP/1.1 +20 OK\r\n\r\n"},
      {"RFC 9112 4: two spaces", "HTTP/1.1  200 OK\r\n\r\n"},
      {"RFC 9112 4: an empty line before", "\r\n" + ok("")},
      {"RFC 9110 15: below 100", "HTTP/1.1 099 OK\r\n\r\n"},
      {"RFC 9110 15: above 599", "HTTP/1.1 600 OK\r\n\r\n"},
      {"RFC 9110 2.5: version", "HTTP/2.0 200 OK\r\n\r\n"},
      {"RFC 9110 2.5: version", "HTTP/1.2 200 OK\r\n\r\n"},
      {"RFC 9110 2.5: protocol", "RTSP/1.0 200 OK\r\n\r\n"},
      {"RFC 9110 2.5: protocol", "ICY 200 OK\r\n\r\n"},
      {"a request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"RFC 9112 6.3: both", ok("Content-Length: 5\r\n" + chunked)},
      {"RFC 9110 8.6: differing lengths", ok("Content-Length: 5\r\nContent-Length: 6\r\n")},
      {"RFC 9110 8.6: no number", ok("Content-Length: x\r\n")},
      {"RFC 9110 8.6: over our bound", ok("Content-Length: 9223372036854775807\r\n")},
      {"RFC 9112 6.1: another coding", ok("Transfer-Encoding: gzip, chunked\r\n")},
      {"RFC 9112 6.1: another coding", ok("Transfer-Encoding: identity\r\n")},
      {"RFC 9112 6.1: two lines", ok(chunked + chunked)},
      {"RFC 9112 6.1: empty", ok("Transfer-Encoding:\r\n")},
      {"RFC 9112 6.1: in HTTP/1.0", "HTTP/1.0 200 OK\r\n" + chunked + "\r\n"},
      {"RFC 9110 7.6.1: Connection names framing", ok("Connection: content-length\r\n")},
      {"RFC 9110 15.2.2: 101 nobody asked for",
       "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"},
  };
  for (const auto& each : table) {
    INFO(each.why);
    CHECK(ParsedResponse(each.text).error != HeadError::None);
  }
}

TEST_CASE("101 comes only where an upgrade was asked for, and names it") {
  const ResponseContext asked{.upgrade_requested = true};
  const std::string start = "HTTP/1.1 101 Switching Protocols\r\n";
  CHECK(ParsedResponse(start + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", asked).error ==
        HeadError::None);
  CHECK(ParsedResponse(start + "Connection: Upgrade\r\n\r\n", asked).error != HeadError::None);
  CHECK(ParsedResponse(start + "Upgrade: websocket\r\n\r\n", asked).error != HeadError::None);
}

TEST_CASE("where a response ends is known from status, method and fields") {
  struct Case {
    const char* why;
    std::string text;
    bool to_head = false;
    Framing framing = Framing::None;
    std::uint64_t length = 0;
    bool has_length = false;
    bool keep_alive = true;
  };
  const std::string length = "Content-Length: 5\r\n";
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const std::vector<Case> table = {
      {"RFC 9112 6.3: a length", ok(length), false, Framing::Length, 5, true},
      {"RFC 9112 6.3: a length of 0", ok("Content-Length: 0\r\n"), false, Framing::None, 0, true},
      {"RFC 9112 6.3: chunked", ok(chunked), false, Framing::Chunked},
      {"RFC 9112 6.3: until close", ok(""), false, Framing::UntilClose, 0, false, false},
      {"RFC 9112 6.3: HEAD with a length", ok(length), true, Framing::None, 5, true},
      {"RFC 9112 6.3: HEAD, chunked", ok(chunked), true, Framing::None},
      {"RFC 9112 6.3: HEAD without either", ok(""), true, Framing::None},
      {"RFC 9112 6.3: 204", "HTTP/1.1 204 No Content\r\n\r\n"},
      {"RFC 9112 6.3: 204 with a length", "HTTP/1.1 204 No Content\r\n" + length + "\r\n", false,
       Framing::None, 5, true},
      {"RFC 9112 6.3: 204, chunked", "HTTP/1.1 204 No Content\r\n" + chunked + "\r\n"},
      {"RFC 9112 6.3: 304 with a length", "HTTP/1.1 304 Not Modified\r\n" + length + "\r\n", false,
       Framing::None, 5, true},
      {"RFC 9112 6.3: 100", "HTTP/1.1 100 Continue\r\n\r\n"},
      {"RFC 9112 6.3: 103 with a length", "HTTP/1.1 103 Early Hints\r\n" + length + "\r\n", false,
       Framing::None, 5, true},
      {"RFC 9112 9.3: close", ok(length + "Connection: close\r\n"), false, Framing::Length, 5, true,
       false},
      {"RFC 9112 9.3: HTTP/1.0", "HTTP/1.0 200 OK\r\n" + length + "\r\n", false, Framing::Length, 5,
       true, false},
      {"RFC 9112 9.3: HTTP/1.0 that stays",
       "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + length + "\r\n", false, Framing::Length, 5,
       true},
      {"RFC 9112 4: no reason", "HTTP/1.1 200 \r\n" + length + "\r\n", false, Framing::Length, 5,
       true},
      {"RFC 9112 4: not even its space", "HTTP/1.1 200\r\n" + length + "\r\n", false,
       Framing::Length, 5, true},
      {"RFC 9112 4: a long reason", "HTTP/1.1 200 All is well, (really)\r\n" + length + "\r\n",
       false, Framing::Length, 5, true},
      {"an unknown status", "HTTP/1.1 599 X\r\n" + length + "\r\n", false, Framing::Length, 5,
       true},
  };
  for (const auto& each : table) {
    INFO(each.why);
    ParsedResponse parsed(each.text, {.to_head = each.to_head});
    CHECK(parsed.error == HeadError::None);
    CHECK(parsed.head.framing == each.framing);
    CHECK(parsed.head.content_length == each.length);
    CHECK(parsed.head.has_content_length == each.has_length);
    CHECK(parsed.head.keep_alive == each.keep_alive);
  }
}

TEST_CASE("informational heads are told from final ones") {
  CHECK(ParsedResponse("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").head.informational());
  CHECK_FALSE(ParsedResponse(ok("")).head.informational());
}

TEST_CASE("a response's fields are bounded") {
  CHECK(ParsedResponse(ok("A: b\r\nC: d\r\n"), {}, 2).error == HeadError::None);
  CHECK(ParsedResponse(ok("A: b\r\nC: d\r\nE: f\r\n"), {}, 2).error != HeadError::None);
}
