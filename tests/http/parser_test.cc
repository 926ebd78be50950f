#include "proxy/http/parser.h"

#include "proxy/http/tokens.h"
#include "tests/http/parsed.h"
#include "tests/support/allocations.h"
#include "tests/support/catch.h"

using namespace outrigger::http;

namespace {

std::string get(const std::string& fields) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
std::string post(const std::string& fields) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
std::string line(const std::string& request_line) {
  return request_line + "\r\nHost: a\r\n\r\n";
}
std::string with_nul(std::string text, char in_place_of) {
  for (char& c : text) c = c == in_place_of ? '\0' : c;
  return text;
}

struct Refused {
  const char* why;
  std::string text;
  HeadError error = HeadError::Malformed;
};

void check(const std::vector<Refused>& table) {
  for (const auto& each : table) {
    INFO(each.why);
    CHECK(ParsedRequest(each.text).error == each.error);
  }
}

}  // namespace

TEST_CASE("lines that two readers could end differently are refused") {
  check({
      {"RFC 9112 2.2: bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"},
      {"RFC 9112 2.2: bare LF after a field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"},
      {"RFC 9112 2.2: bare LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n"},
      {"RFC 9112 2.2: only LFs", "GET / HTTP/1.1\nHost: a\n\n"},
      {"RFC 9112 2.2: bare CR in a value", get("X: a\rb\r\n")},
      {"RFC 9112 2.2: bare CR in a name", get("X\rY: b\r\n")},
      {"RFC 9112 2.2: bare CR in the request line", line("GET /\r HTTP/1.1")},
      {"RFC 9112 2.2: CR CR LF", get("X: a\r\r\n")},
      {"RFC 9110 5.5: NUL in a value", with_nul(get("X: a@b\r\n"), '@')},
      {"RFC 9110 5.5: NUL in a name", with_nul(get("X@Y: b\r\n"), '@')},
      {"RFC 9110 5.5: other controls in a value", get("X: a\x01z\r\n")},
      {"RFC 9110 5.5: DEL in a value", get("X: a\x7fz\r\n")},
      {"RFC 9112 5.2: obs-fold with a space", get("X: a\r\n b\r\n")},
      {"RFC 9112 5.2: obs-fold with a tab", get("X: a\r\n\tb\r\n")},
      {"RFC 9112 2.2: white space before the first field",
       "GET / HTTP/1.1\r\n Host: a\r\nHost: b\r\n\r\n"},
      {"RFC 9112 2.2: many empty lines before the request line",
       "\r\n\r\n\r\n\r\n\r\n" + line("GET / HTTP/1.1")},
      {"RFC 9112 2.2: white space before the request line", " " + line("GET / HTTP/1.1")},
  });
}

TEST_CASE("field lines that are none are refused") {
  check({
      {"RFC 9112 5.1: no name", get(": a\r\n")},
      {"RFC 9112 5.1: no name after another field", get("X: y\r\n: a\r\n")},
      {"RFC 9112 5.1: space before the colon", get("X : a\r\n")},
      {"RFC 9112 5.1: tab before the colon", get("X\t: a\r\n")},
      {"RFC 9112 5.1: space before the colon of a framing field", post("Content-Length : 5\r\n")},
      {"RFC 9112 5.1: space before the colon of Transfer-Encoding",
       post("Transfer-Encoding : chunked\r\n")},
      {"RFC 9112 5: no colon", get("X\r\n")},
      {"RFC 9110 5.6.2: a byte that is no token's", get("X(Y: a\r\n")},
      {"RFC 9110 5.6.2: a byte above ASCII in a name", get("X\xc3\xa4: a\r\n")},
      {"RFC 9110 5.6.2: quotes in a name", get("\"X\": a\r\n")},
  });
}

TEST_CASE("a byte that is no token's is refused wherever it stands in a name") {
  for (int code = 0; code < 256; ++code) {
    const char byte = static_cast<char>(code);
    if (is_token({&byte, 1}) || byte == ':') continue;
    for (const std::size_t size : {1u, 2u, 15u, 16u, 17u, 40u}) {  // llhttp reads 16 a step
      for (std::size_t at = 0; at < size; ++at) {
        std::string name(size, 'x');
        name[at] = byte;
        CAPTURE(name);
        REQUIRE(ParsedRequest(get(name + ": a\r\n")).error == HeadError::Malformed);
      }
    }
  }
}

TEST_CASE("fields without a value are there, in their places") {
  const auto fields_of = [](const std::string& lines) {
    ParsedRequest parsed(get(lines));
    REQUIRE(parsed.error == HeadError::None);
    std::string all;
    for (const HeaderField& field : parsed.head.headers.all()) {
      if (field.id == Field::Host) continue;
      all += std::string(field.name) + "=" + std::string(field.value) + ";";
      REQUIRE(field.value.data() >= parsed.text.data());
      REQUIRE(field.value.data() <= parsed.text.data() + parsed.text.size());
    }
    return all;
  };
  CHECK(fields_of("A:\r\nB: b\r\n") == "A=;B=b;");
  CHECK(fields_of("A: a\r\nB: \t \r\nC:c\r\n") == "A=a;B=;C=c;");
  CHECK(fields_of("A: a\r\nB:\r\n") == "A=a;B=;");
  CHECK(fields_of("A:\r\nA:\r\nA: \r\n") == "A=;A=;A=;");
  // llhttp reads the values of these itself.
  for (const std::string name : {"Connection", "Proxy-Connection", "Upgrade", "Keep-Alive"}) {
    for (const std::string blank : {"", " ", "\t "}) {
      CAPTURE(name, blank);
      CHECK(fields_of(name + ":" + blank + "\r\n") == name + "=;");
      CHECK(fields_of(name + ":" + blank + "\r\nB: b\r\n") == name + "=;B=b;");
      CHECK(fields_of("A: a\r\n" + name + ":" + blank + "\r\nB:\r\n") == "A=a;" + name + "=;B=;");
    }
  }
  CHECK(ParsedRequest(get("A:\r\nB:\r\n"), {.max_headers = 2}).error == HeadError::HeadTooLarge);
  CHECK(ParsedRequest(get("A:\r\nB:\r\n"), {.max_headers = 3}).error == HeadError::None);
}

TEST_CASE("request lines are method, target and version with one space between") {
  using E = HeadError;
  check({
      {"RFC 9112 3: two spaces after the method", line("GET  / HTTP/1.1")},
      {"RFC 9112 3: two spaces before the version", line("GET /  HTTP/1.1")},
      {"RFC 9112 3: a tab between", line("GET\t/ HTTP/1.1")},
      {"RFC 9112 3: a space at the end", line("GET / HTTP/1.1 ")},
      {"RFC 9112 3: a space in the target", line("GET /a b HTTP/1.1")},
      {"RFC 9112 3: a version twice", line("GET / HTTP/1.1 HTTP/1.1")},
      {"RFC 9112 3: no target", line("GET HTTP/1.1")},
      {"RFC 9112 3: no target", line("GET  HTTP/1.1")},
      {"HTTP/0.9", line("GET /")},
      {"RFC 9112 2.3: lower case", line("GET / http/1.1")},
      {"RFC 9112 2.3: another protocol", line("GET / ICE/1.0")},
      {"RFC 9112 2.3: another protocol", line("OPTIONS / RTSP/1.0")},
      {"RFC 9112 2.3: two digits", line("GET / HTTP/1.10")},
      {"RFC 9112 2.3: no minor version", line("GET / HTTP/1")},
      {"RFC 9110 2.5: version 0.9", line("GET / HTTP/0.9"), E::VersionNotSupported},
      {"RFC 9110 2.5: version 1.2", line("GET / HTTP/1.2"), E::VersionNotSupported},
      {"RFC 9110 2.5: version 2.0", line("GET / HTTP/2.0"), E::VersionNotSupported},
      {"RFC 9113 3.4: HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\n", E::VersionNotSupported},
      {"RFC 9110 9.1: an unknown method", line("BREW / HTTP/1.1"), E::NotImplemented},
      {"RFC 9110 9.1: methods have a case", line("get / HTTP/1.1"), E::NotImplemented},
      {"RFC 9110 9.1: longer than a known one", line("GETS / HTTP/1.1"), E::NotImplemented},
      {"RFC 9110 9.1: RTSP's method", line("DESCRIBE / HTTP/1.1"), E::NotImplemented},
      {"RFC 9110 9.1: Icecast's method", line("SOURCE / HTTP/1.1"), E::NotImplemented},
      {"RFC 9110 9.1: HTTP/2's method", line("PRI / HTTP/1.1"), E::NotImplemented},
      {"RFC 9110 9.3.6: CONNECT", line("CONNECT a:443 HTTP/1.1"), E::NotImplemented},
      {"RFC 9110 9.1: no token", line("G@T / HTTP/1.1")},
      {"a TLS client hello's start", "\x16\x03\x01\r\n\r\n"},
  });
}

TEST_CASE("targets that later steps could read differently are refused") {
  for (const std::string bad : {"#", "\\", "%00", "<", ">", "\"", "{", "}", "|", "^", "`", "\x7f",
                                "\x01", "\t", "\xc3\xa4"}) {
    INFO("RFC 3986 2: " << bad);
    CHECK(ParsedRequest(line("GET /a" + bad + "b HTTP/1.1")).error == HeadError::Malformed);
    CHECK(ParsedRequest(line("GET /?a" + bad + " HTTP/1.1")).error == HeadError::Malformed);
  }
  check({
      {"RFC 9112 3.2.4: * is for OPTIONS", line("GET * HTTP/1.1")},
      {"RFC 9112 3.2.4: more than *", line("OPTIONS *a HTTP/1.1")},
      {"RFC 9112 3.2.1: no slash", line("GET a HTTP/1.1")},
      {"RFC 9112 3.2.1: only a query", line("GET ?a HTTP/1.1")},
      {"RFC 9112 3.2.3: authority-form", line("GET a:80 HTTP/1.1")},
      {"RFC 9112 3.2.2: another scheme", line("GET ftp://a/ HTTP/1.1")},
      {"RFC 9112 3.2.2: another scheme", line("GET file:///etc/passwd HTTP/1.1")},
      {"RFC 9110 4.2.4: userinfo", line("GET http://u:p@a/ HTTP/1.1")},
      {"RFC 9110 4.2.1: no host", line("GET http:///x HTTP/1.1")},
      {"RFC 9110 4.2.1: no host but a port", line("GET http://:80/x HTTP/1.1")},
      {"RFC 9112 3.2.2: one slash", line("GET http:/a/x HTTP/1.1")},
      {"RFC 9112 3.2.2: a query without a path", line("GET http://a?x HTTP/1.1")},
  });
}

TEST_CASE("the path that an absolute target leaves out before its query is put in") {
  std::string block = "\r\nGET http://a?x=/y HTTP/1.1\r\nHost: a\r\n\r\n";
  REQUIRE(insert_missing_path(block));
  CHECK(block == "\r\nGET http://a/?x=/y HTTP/1.1\r\nHost: a\r\n\r\n");
  ParsedRequest parsed(block);
  REQUIRE(parsed.error == HeadError::None);
  CHECK(parsed.head.target == "/?x=/y");
  CHECK(parsed.head.query() == "x=/y");

  for (const std::string whole :
       {"/?x", "?x", "*", "a?x", "http://a", "http://a/b?x", "/http://a?x"}) {
    block = line("GET " + whole + " HTTP/1.1");
    CHECK_FALSE(insert_missing_path(block));
  }
}

TEST_CASE("Max-Forwards counts for OPTIONS and TRACE") {
  const auto counted = [](const std::string& method, const std::string& value) {
    ParsedRequest parsed(method + " / HTTP/1.1\r\nHost: a\r\nMax-Forwards: " + value + "\r\n\r\n");
    REQUIRE(parsed.error == HeadError::None);
    return parsed.head.max_forwards;
  };
  CHECK(counted("OPTIONS", "0") == 0u);
  CHECK(counted("TRACE", "10") == 10u);
  CHECK(counted("OPTIONS", std::string(30, '9')) == ~std::uint64_t{0});
  for (const std::string no_number : {"", "x", "-1", "1x", "0x1", "1, 2"}) {
    CHECK_FALSE(counted("OPTIONS", no_number));
  }
  CHECK_FALSE(counted("GET", "0"));
  CHECK_FALSE(ParsedRequest(line("OPTIONS / HTTP/1.1")).head.max_forwards);
}

TEST_CASE("there is exactly one valid Host") {
  check({
      {"RFC 9112 3.2: none", "GET / HTTP/1.1\r\n\r\n"},
      {"RFC 9112 3.2: none, absolute-form", "GET http://a/ HTTP/1.1\r\n\r\n"},
      {"RFC 9112 3.2: two", get("Host: b\r\n")},
      {"RFC 9112 3.2: the same twice", get("Host: a\r\n")},
      {"RFC 9112 3.2: two in another case", get("HOST: b\r\n")},
      {"RFC 9112 3.2: two from HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"RFC 9110 4.2.1: empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
  });
  for (const std::string bad :
       {"a b", "a,b", "u@a", "a/b", "a?b", "a#b", "a\\b", "a:b", "a:70000", "a:80:80", ":80",
        "[::1", "::1", "[]", "[::g]", "[::1]x", "a\xc3\xa4", "<a>"}) {
    INFO("RFC 9110 7.2: " << bad);
    ParsedRequest parsed("GET / HTTP/1.1\r\nHost: " + bad + "\r\n\r\n");
    CHECK(parsed.error == HeadError::Malformed);
  }
  for (const std::string good : {"a", "a:80", "a:", "a.example.com", "127.0.0.1:8080", "[::1]",
                                 "[::1]:", "[2001:db8::1]:443", "a_b-c"}) {
    INFO(good);
    ParsedRequest parsed("GET / HTTP/1.1\r\nHost: " + good + "\r\n\r\n");
    CHECK(parsed.error == HeadError::None);
    CHECK(parsed.head.authority == good);
  }
}

TEST_CASE("unsound framing of requests is refused") {
  using E = HeadError;
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  check({
      {"RFC 9112 6.3: both", post("Content-Length: 5\r\n" + chunked)},
      {"RFC 9112 6.3: both, the other way round", post(chunked + "Content-Length: 5\r\n")},
      {"RFC 9112 6.3: both, a length of 0", post(chunked + "Content-Length: 0\r\n")},
      {"RFC 9110 8.6: differing lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n")},
      {"RFC 9110 8.6: differing lengths in one", post("Content-Length: 5, 6\r\n")},
      {"RFC 9110 8.6: a list", post("Content-Length: 5, 5\r\n")},
      {"RFC 9110 8.6: a sign", post("Content-Length: +5\r\n")},
      {"RFC 9110 8.6: a sign", post("Content-Length: -5\r\n")},
      {"RFC 9110 8.6: hexadecimal", post("Content-Length: 0x5\r\n")},
      {"RFC 9110 8.6: a space within", post("Content-Length: 5 6\r\n")},
      {"RFC 9110 8.6: letters after", post("Content-Length: 5a\r\n")},
      {"RFC 9110 8.6: empty", post("Content-Length:\r\n")},
      {"RFC 9110 8.6: blank", post("Content-Length:  \r\n")},
      {"RFC 9110 8.6: over 64 bits", post("Content-Length: 18446744073709551617\r\n")},
      {"RFC 9110 8.6: over our bound", post("Content-Length: 9223372036854775807\r\n")},
      {"RFC 9112 6.1: in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\n" + chunked + "\r\n"},
      {"RFC 9112 6.1: twice", post(chunked + chunked)},
      {"RFC 9112 6.1: two lines", post("Transfer-Encoding: gzip\r\n" + chunked)},
      {"RFC 9112 6.1: two lines, the other way round",
       post(chunked + "Transfer-Encoding: identity\r\n")},
      {"RFC 9112 6.1: empty", post("Transfer-Encoding:\r\n")},
      {"RFC 9112 6.1: empty beside a length", post("Transfer-Encoding:\r\nContent-Length: 5\r\n")},
      {"RFC 9112 6.1: an empty element", post("Transfer-Encoding: ,chunked\r\n")},
      {"RFC 9112 6.1: an empty element", post("Transfer-Encoding: chunked,\r\n")},
      {"RFC 9112 6.1: chunked twice", post("Transfer-Encoding: chunked, chunked\r\n")},
      {"RFC 9112 6.1: chunked not last", post("Transfer-Encoding: chunked, gzip\r\n")},
      {"RFC 9112 7: chunked has no parameters", post("Transfer-Encoding: chunked;a=b\r\n")},
      {"RFC 9112 6.1: in quotes", post("Transfer-Encoding: \"chunked\"\r\n")},
      {"RFC 9112 6.1: a vertical tab before", post("Transfer-Encoding: \vchunked\r\n")},
      {"RFC 9112 6.1: unknown beside a length",
       post("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n")},
      {"RFC 9112 6.1: another coding", post("Transfer-Encoding: gzip\r\n"), E::NotImplemented},
      {"RFC 9112 6.1: another coding first", post("Transfer-Encoding: gzip, chunked\r\n"),
       E::NotImplemented},
      {"RFC 9112 6.1: nearly chunked", post("Transfer-Encoding: xchunked\r\n"), E::NotImplemented},
      {"RFC 9112 6.1: identity", post("Transfer-Encoding: identity\r\n"), E::NotImplemented},
      {"RFC 9110 7.6.1: Connection names a framing field", get("Connection: Content-Length\r\n")},
      {"RFC 9110 7.6.1: Connection names a framing field",
       post("Connection: close, transfer-encoding\r\n" + chunked)},
      {"RFC 9110 7.6.1: Connection names Host",
       get("Connection: keep-alive\r\nConnection: host\r\n")},
      {"RFC 9110 9.3.8: TRACE with a body",
       "TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"},
      {"RFC 9110 10.1.1: another expectation", get("Expect: tea\r\n"), E::ExpectationFailed},
      {"RFC 9110 10.1.1: one more expectation", get("Expect: 100-continue\r\nExpect: tea\r\n"),
       E::ExpectationFailed},
  });
}

TEST_CASE("a Connection of very many options is refused") {
  std::string options = "a";
  for (int i = 1; i < 32; ++i) options += ",a";
  CHECK(ParsedRequest(get("Connection: " + options + "\r\n")).error == HeadError::None);
  CHECK(ParsedRequest(get("Connection: " + options + ",a\r\n")).error == HeadError::Malformed);
}

TEST_CASE("a plain request is read") {
  ParsedRequest parsed(
      "GET /a/b?c=d HTTP/1.1\r\nHost: example.com:8080\r\nAccept:  x/y \t\r\nEmpty:\r\nX: "
      "\xc3\xa4\r\n"
      "accept: z\r\n\r\nrest");
  REQUIRE(parsed.error == HeadError::None);
  const auto& head = parsed.head;
  CHECK(head.method == "GET");
  CHECK(head.target == "/a/b?c=d");
  CHECK(head.path == "/a/b");
  CHECK(head.authority == "example.com:8080");
  CHECK_FALSE(head.absolute_form);
  CHECK(head.minor_version == 1);
  CHECK(head.framing == Framing::None);
  CHECK(head.keep_alive);
  CHECK_FALSE(head.expect_continue);
  CHECK_FALSE(head.is_head);
  CHECK(head.upgrade.empty());
  REQUIRE(head.headers.size() == 5);
  CHECK(head.headers.all()[1].name == "Accept");
  CHECK(head.headers.all()[1].value == "x/y");
  CHECK(head.headers.all()[2].name == "Empty");
  CHECK(head.headers.all()[2].value.empty());
  CHECK(head.headers.all()[3].value == "\xc3\xa4");
  CHECK(head.headers.all()[4].name == "accept");
}

TEST_CASE("forms of the target are understood") {
  struct Case {
    const char* why;
    std::string line;
    std::string target, path, authority;
  };
  const std::vector<Case> table = {
      {"RFC 9112 3.2.1: origin-form", "GET /x?y HTTP/1.1", "/x?y", "/x", "a"},
      {"RFC 9112 3.2.1: two slashes stay", "GET //x HTTP/1.1", "//x", "//x", "a"},
      {"RFC 9112 3.2.1: a URL in the query", "GET /?u=http://b/ HTTP/1.1", "/?u=http://b/", "/",
       "a"},
      {"RFC 9112 3.2.2: absolute-form, its authority wins", "GET http://b:81/x?y HTTP/1.1", "/x?y",
       "/x", "b:81"},
      {"RFC 9112 3.2.2: https", "GET HTTPS://b/ HTTP/1.1", "/", "/", "b"},
      {"RFC 9112 3.2.2: no path", "GET http://b HTTP/1.1", "/", "/", "b"},
      {"RFC 9112 3.2.4: no path and OPTIONS", "OPTIONS http://b HTTP/1.1", "*", "*", "b"},
      {"RFC 9112 3.2.4: asterisk-form", "OPTIONS * HTTP/1.1", "*", "*", "a"},
      {"encoded bytes stay as sent", "GET /%2e%2E/%41 HTTP/1.1", "/%2e%2E/%41", "/%2e%2E/%41", "a"},
  };
  for (const auto& each : table) {
    INFO(each.why);
    ParsedRequest parsed(line(each.line));
    CHECK(parsed.error == HeadError::None);
    CHECK(parsed.head.target == each.target);
    CHECK(parsed.head.path == each.path);
    CHECK(parsed.head.authority == each.authority);
    CHECK(parsed.head.absolute_form == (each.authority != "a"));
  }
}

TEST_CASE("requests' framing, persistence and expectations are understood") {
  struct Case {
    const char* why;
    std::string text;
    Framing framing = Framing::None;
    std::uint64_t length = 0;
    bool keep_alive = true;
    bool expect_continue = false;
    std::string upgrade;
  };
  const std::string http10 = "GET / HTTP/1.0\r\n";
  const std::vector<Case> table = {
      {"RFC 9112 6.3: a length", post("Content-Length: 5\r\n"), Framing::Length, 5},
      {"RFC 9112 6.3: white space around it", post("Content-Length: \t 5  \r\n"), Framing::Length,
       5},
      {"RFC 9112 6.3: a length of 0", post("Content-Length: 0\r\n")},
      {"2 GiB and more", post("Content-Length: 5000000000\r\n"), Framing::Length, 5000000000},
      {"RFC 9110 9.3.1: GET with a body", get("Content-Length: 5\r\n"), Framing::Length, 5},
      {"RFC 9112 7.1: chunked", post("Transfer-Encoding: chunked\r\n"), Framing::Chunked},
      {"RFC 9112 7: codings have no case", post("transfer-encoding: Chunked \r\n"),
       Framing::Chunked},
      {"RFC 9112 9.3: close", get("Connection: close\r\n"), Framing::None, 0, false},
      {"RFC 9112 9.3: close and a tab", get("Connection: close\t\r\n"), Framing::None, 0, false},
      {"RFC 9110 7.6.1: a list", get("Connection: x, CLOSE ,y\r\n"), Framing::None, 0, false},
      {"RFC 9110 7.6.1: two lines", get("Connection: x\r\nConnection: close\r\n"), Framing::None, 0,
       false},
      {"RFC 9110 7.6.1: not close", get("Connection: closed, disclose\r\n")},
      {"RFC 9112 9.3: HTTP/1.0 closes", http10 + "\r\n", Framing::None, 0, false},
      {"RFC 9112 9.3: HTTP/1.0 may keep", http10 + "Connection: Keep-Alive\r\n\r\n"},
      {"RFC 9112 9.3: close wins", http10 + "Connection: keep-alive, close\r\n\r\n", Framing::None,
       0, false},
      {"Proxy-Connection says nothing", get("Proxy-Connection: close\r\n")},
      {"RFC 9110 10.1.1: expectation", post("Content-Length: 1\r\nExpect: 100-Continue\r\n"),
       Framing::Length, 1, true, true},
      {"RFC 9110 10.1.1: ignored from HTTP/1.0",
       "POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: "
       "100-continue\r\n\r\n",
       Framing::Length, 1, false, false},
      {"RFC 9110 7.8: upgrade", get("Connection: Upgrade\r\nUpgrade: websocket\r\n"), Framing::None,
       0, true, false, "websocket"},
      {"RFC 9110 7.8: not named by Connection", get("Upgrade: websocket\r\n")},
      {"RFC 9110 7.8: ignored from HTTP/1.0",
       http10 + "Connection: upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\n"},
      {"RFC 9112 2.2: an empty line before", "\r\n" + get("")},
      {"HTTP/1.0 without a Host", http10 + "Connection: keep-alive\r\n\r\n"},
  };
  for (const auto& each : table) {
    INFO(each.why);
    ParsedRequest parsed(each.text);
    CHECK(parsed.error == HeadError::None);
    CHECK(parsed.head.framing == each.framing);
    CHECK(parsed.head.content_length == each.length);
    CHECK(parsed.head.keep_alive == each.keep_alive);
    CHECK(parsed.head.expect_continue == each.expect_continue);
    CHECK(parsed.head.upgrade == each.upgrade);
  }
}

TEST_CASE("an upgrade leaves framing as it is") {
  // llhttp gives up framing after an Upgrade; a body must not become the next request.
  ParsedRequest parsed(post("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n"));
  REQUIRE(parsed.error == HeadError::None);
  CHECK(parsed.head.framing == Framing::Length);
  CHECK(parsed.head.content_length == 5);
}

TEST_CASE("every method of RFC 9110 and the usual extensions are taken") {
  for (const std::string method : {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE",
                                   "PATCH", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE",
                                   "LOCK", "UNLOCK", "PURGE", "REPORT", "SEARCH", "M-SEARCH"}) {
    INFO(method);
    ParsedRequest parsed(line(method + " / HTTP/1.1"));
    CHECK(parsed.error == HeadError::None);
    CHECK(parsed.head.method == method);
    CHECK(parsed.head.is_head == (method == "HEAD"));
  }
}

TEST_CASE("a request's sizes and counts are bounded") {
  const RequestLimits limits{.max_head_bytes = 200, .max_headers = 3, .max_uri_bytes = 20};
  const auto error = [&](const std::string& text) { return ParsedRequest(text, limits).error; };

  CHECK(error(line("GET /" + std::string(19, 'a') + " HTTP/1.1")) == HeadError::None);
  CHECK(error(line("GET /" + std::string(20, 'a') + " HTTP/1.1")) == HeadError::UriTooLong);
  CHECK(error(get("A: b\r\nC: d\r\n")) == HeadError::None);
  CHECK(error(get("A: b\r\nC: d\r\nE: f\r\n")) == HeadError::HeadTooLarge);
  CHECK(error(get("A:\r\nC:\r\nE:\r\n")) == HeadError::HeadTooLarge);
  const std::string plain = get("A: \r\n");
  CHECK(error(get("A: " + std::string(200 - plain.size(), 'a') + "\r\n")) == HeadError::None);
  CHECK(error(get("A: " + std::string(201 - plain.size(), 'a') + "\r\n")) ==
        HeadError::HeadTooLarge);
}

TEST_CASE("parsing allocates nothing once it is warm") {
  const std::string text =
      "GET /index.html HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n";
  RequestHead head;
  REQUIRE(parse_request(text, {}, head) == HeadError::None);
  const auto before = outrigger::test::allocations();
  for (int i = 0; i < 10; ++i) {
    head.clear();
    if (parse_request(text, {}, head) != HeadError::None) FAIL();
  }
  CHECK(outrigger::test::allocations() == before);
  CHECK(head.headers.size() == 3);
}
