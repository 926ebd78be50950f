#include "proxy/http/writer.h"

#include <array>

#include "tests/http/parsed.h"
#include "tests/support/allocations.h"
#include "tests/support/catch.h"

using namespace outrigger::http;

namespace {

std::string forwarded(const std::string& received, const RequestAdditions& add) {
  ParsedRequest parsed(received);
  REQUIRE(parsed.error == HeadError::None);
  OutBuffer out;
  write_request_head(out, parsed.head, add);
  return std::string(out.view());
}

std::string relayed(const std::string& received, const ResponseAdditions& add,
                    ResponseContext context = {}) {
  ParsedResponse parsed(received, context);
  REQUIRE(parsed.error == HeadError::None);
  OutBuffer out;
  write_response_head(out, parsed.head, add);
  return std::string(out.view());
}

std::string local(const LocalResponse& response) {
  OutBuffer out;
  write_local_response(out, response);
  return std::string(out.view());
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string get(const std::string& fields) {
  return "GET /x HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

const std::string kStart = "GET /x HTTP/1.1\r\nHost: a\r\n";
const std::string kEnd = "X-Request-Id: id\r\nx-outrigger-attempt: 1\r\n\r\n";

}  // namespace

TEST_CASE("a request is written anew") {
  struct Case {
    const char* why;
    std::string received;
    std::string sent;
  };
  const std::vector<Case> table = {
      {"order, number and spelling stay", get("b: 1\r\nA:2\r\nB: 3 \r\n"),
       kStart + "b: 1\r\nA: 2\r\nB: 3\r\n" + kEnd},
      {"RFC 9110 7.6.1: fields of this hop",
       get("Connection: X-A\r\nX-A: 1\r\nKeep-Alive: 5\r\n"
           "Proxy-Connection: close\r\nUpgrade: h2c\r\nProxy: evil\r\nX-B: 2\r\n"),
       kStart + "X-B: 2\r\n" + kEnd},
      {"RFC 9112 3.2: Host comes first", "GET /x HTTP/1.1\r\nA: 1\r\nhost: a\r\n\r\n",
       kStart + "A: 1\r\n" + kEnd},
      {"RFC 9112 3.2.2: absolute-form", "GET http://b:81/x HTTP/1.1\r\nHost: a\r\n\r\n",
       "GET /x HTTP/1.1\r\nHost: b:81\r\n" + kEnd},
      {"RFC 9112 2.3: our own version", "GET /x HTTP/1.0\r\nHost: a\r\n\r\n", kStart + kEnd},
      {"RFC 9112 3.2: an empty Host where none is known", "GET /x HTTP/1.0\r\n\r\n",
       "GET /x HTTP/1.1\r\nHost: \r\n" + kEnd},
      {"RFC 9112 6.3: a length",
       "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\nA: b\r\n\r\n",
       "POST /x HTTP/1.1\r\nHost: a\r\nA: b\r\nContent-Length: 7\r\n" + kEnd},
      {"RFC 9112 7.1: chunked", "POST /x HTTP/1.1\r\nHost: a\r\nTRANSFER-Encoding: Chunked\r\n\r\n",
       "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" + kEnd},
      {"RFC 9110 8.6: POST without a body", "POST /x HTTP/1.1\r\nHost: a\r\n\r\n",
       "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n" + kEnd},
      {"RFC 9110 8.6: DELETE without a body", "DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n",
       "DELETE /x HTTP/1.1\r\nHost: a\r\n" + kEnd},
      {"RFC 9110 10.1.4: only trailers of TE",
       get("TE: deflate;q=0.5, Trailers\r\nConnection: te\r\n"),
       kStart + "TE: trailers\r\nConnection: te\r\n" + kEnd},
      {"RFC 9110 10.1.4: nothing of another TE", get("TE: deflate\r\n"), kStart + kEnd},
      {"RFC 9110 10.1.1: the expectation",
       "PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
       "PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n" + kEnd},
      {"RFC 9110 10.1.1: not from HTTP/1.0",
       "PUT /x HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
       "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n" + kEnd},
      {"the caller's request id stays", get("x-request-id: mine\r\n"),
       kStart + "x-request-id: mine\r\nx-outrigger-attempt: 1\r\n\r\n"},
      {"an empty request id is none", get("x-request-id:\r\n"), kStart + kEnd},
      {"Connection cannot take the request id away",
       get("x-request-id: mine\r\nConnection: x-request-id\r\n"), kStart + kEnd},
      {"the received attempt is replaced", get("X-Outrigger-Attempt: 9\r\n"), kStart + kEnd},
      {"the caller's deadline passes when we say none", get("x-request-timeout-ms: 5\r\n"),
       kStart + "x-request-timeout-ms: 5\r\n" + kEnd},
      {"X-Forwarded-* pass", get("X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n"),
       kStart + "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n" + kEnd},
  };
  for (const auto& each : table) {
    INFO(each.why);
    CHECK(forwarded(each.received, {.request_id = "id", .client_ip = "9.9.9.9", .proto = "http"}) ==
          each.sent);
  }
}

// Fields that stand side by side are copied at once where they need no change.
TEST_CASE("however fields are mixed, each is written alike") {
  struct Line {
    std::string received, sent;
  };
  const std::vector<Line> lines = {
      {"A: a\r\n", "A: a\r\n"},       {"b:1\r\n", "b: 1\r\n"},   {"C:  c\r\n", "C: c\r\n"},
      {"D:\td\r\n", "D: d\r\n"},      {"E: e \r\n", "E: e\r\n"}, {"F:\r\n", "F: \r\n"},
      {"G: a: b\r\n", "G: a: b\r\n"}, {"Keep-Alive: 5\r\n", ""}, {"Date: d\r\n", "Date: d\r\n"}};
  for (std::size_t a = 0; a < lines.size(); ++a) {
    for (std::size_t b = 0; b < lines.size(); ++b) {
      for (std::size_t c = 0; c < lines.size(); ++c) {
        std::string received, sent;
        for (const std::size_t i : {a, b, c}) {
          received += lines[i].received;
          sent += lines[i].sent;
        }
        CAPTURE(received);
        REQUIRE(forwarded(get(received), {.request_id = "id", .attempt = 1}) ==
                kStart + sent + kEnd);
        REQUIRE(relayed("HTTP/1.1 204 No Content\r\n" + received + "\r\n", {}) ==
                "HTTP/1.1 204 No Content\r\n" + sent + "\r\n");
      }
    }
  }
}

TEST_CASE("the proxy's own fields are added to a request") {
  CHECK(contains(forwarded(get(""), {.attempt = 3}), "\r\nx-outrigger-attempt: 3\r\n"));
  CHECK_FALSE(contains(forwarded(get(""), {}), "Request-Id"));
  const auto timed =
      forwarded(get("X-Request-Timeout-Ms: 5\r\n"), {.timeout_ms = 1500, .has_timeout = true});
  CHECK(contains(timed, "\r\nx-request-timeout-ms: 1500\r\n"));
  CHECK_FALSE(contains(timed, "X-Request-Timeout-Ms"));
  CHECK(contains(forwarded(get("Via: 1.0 b\r\n"), {.via = true}), "\r\nVia: 1.0 b\r\n"));
  CHECK(contains(forwarded(get(""), {.via = true}), "\r\nVia: 1.1 outrigger\r\n"));
  CHECK(contains(forwarded("GET / HTTP/1.0\r\n\r\n", {.via = true}), "\r\nVia: 1.0 outrigger\r\n"));
  CHECK(contains(forwarded(get(""), {.close = true}), "\r\nConnection: close\r\n"));
  CHECK(contains(forwarded(get("TE: trailers\r\n"), {.close = true}),
                 "\r\nTE: trailers\r\nConnection: close, te\r\n"));
}

TEST_CASE("an upgrade is passed on only where it is allowed") {
  const auto asked =
      get("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n");
  const auto kept = forwarded(asked, {.keep_upgrade = true});
  CHECK(contains(kept, "\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"));
  CHECK(contains(kept, "\r\nSec-WebSocket-Key: k\r\n"));
  const auto dropped = forwarded(asked, {});
  CHECK_FALSE(contains(dropped, "Upgrade"));
  CHECK_FALSE(contains(dropped, "Connection"));
}

TEST_CASE("X-Forwarded-* are appended to or removed") {
  const RequestAdditions append{.forwarded_append = true, .client_ip = "9.9.9.9", .proto = "http"};
  const auto fresh = forwarded(get(""), append);
  CHECK(contains(fresh, "\r\nX-Forwarded-For: 9.9.9.9\r\n"));
  CHECK(contains(fresh, "\r\nX-Forwarded-Proto: http\r\n"));
  CHECK(contains(fresh, "\r\nX-Forwarded-Host: a\r\n"));

  const auto sent =
      forwarded(get("x-forwarded-for: 1.1.1.1\r\nA: b\r\nX-Forwarded-For: 2.2.2.2, 3.3.3.3\r\n"
                    "x-forwarded-for:\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: c\r\n"),
                append);
  CHECK(contains(sent, "\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 9.9.9.9\r\n"));
  CHECK_FALSE(contains(sent, "x-forwarded-for"));
  CHECK(contains(sent, "\r\nX-Forwarded-Proto: https\r\n"));
  CHECK_FALSE(contains(sent, "Proto: http\r"));
  CHECK(contains(sent, "\r\nX-Forwarded-Host: c\r\n"));
  CHECK_FALSE(contains(sent, "Host: a\r\nX-Forwarded-Host: a"));

  const auto hidden =
      forwarded(get("X-Forwarded-Proto: https\r\nConnection: x-forwarded-proto\r\n"), append);
  CHECK(contains(hidden, "\r\nX-Forwarded-Proto: http\r\n"));

  const auto unix_socket =
      forwarded(get("X-Forwarded-For: 1.1.1.1\r\n"), {.forwarded_append = true, .proto = "http"});
  CHECK(contains(unix_socket, "\r\nX-Forwarded-For: 1.1.1.1\r\n"));

  const auto removed =
      forwarded(get("X-Forwarded-For: 1.1.1.1\r\nA: b\r\nX-Forwarded-Proto: "
                    "https\r\nX-Forwarded-Host: c\r\n"),
                {.forwarded_remove = true, .client_ip = "9.9.9.9", .proto = "http"});
  CHECK_FALSE(contains(removed, "X-Forwarded"));
  CHECK(contains(removed, "\r\nA: b\r\n"));
}

TEST_CASE("a response is written anew") {
  struct Case {
    const char* why;
    std::string received;
    ResponseAdditions add;
    std::string sent;
    ResponseContext context{};
  };
  const std::string id = "X-Request-Id: id\r\n";
  const std::vector<Case> table = {
      {"RFC 9112 4: our own reason",
       "HTTP/1.1 200 <script>\r\nContent-Length: 05\r\nB: 1\r\nb: 2\r\n\r\n",
       {},
       "HTTP/1.1 200 OK\r\nB: 1\r\nb: 2\r\nContent-Length: 5\r\n" + id + "\r\n"},
      {"an unknown status",
       "HTTP/1.1 299 X\r\nContent-Length: 0\r\n\r\n",
       {},
       "HTTP/1.1 299 Unknown\r\nContent-Length: 0\r\n" + id + "\r\n"},
      {"RFC 9110 7.6.1: fields of this hop",
       "HTTP/1.1 200 OK\r\nConnection: close, X-A\r\nX-A: 1\r\nKeep-Alive: "
       "timeout=5\r\nContent-Length: "
       "0\r\nUpgrade: h2c\r\nProxy-Connection: x\r\nProxy-Authenticate: y\r\n\r\n",
       {},
       "HTTP/1.1 200 OK\r\nProxy-Authenticate: y\r\nContent-Length: 0\r\n" + id + "\r\n"},
      {"RFC 9112 7.1: chunked",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: A\r\n\r\n",
       {.chunked = true},
       "HTTP/1.1 200 OK\r\nTrailer: A\r\nTransfer-Encoding: chunked\r\n" + id + "\r\n"},
      {"RFC 9112 6.3: chunked, to HTTP/1.0",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
       {.close = true},
       "HTTP/1.1 200 OK\r\n" + id + "Connection: close\r\n\r\n"},
      {"RFC 9112 9.3: an HTTP/1.0 caller that stays",
       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
       {.keep_alive_10 = true},
       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" + id + "Connection: keep-alive\r\n\r\n"},
      {"RFC 9110 8.6: HEAD keeps the length",
       "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
       {},
       "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n" + id + "\r\n",
       {.to_head = true}},
      {"RFC 9110 8.6: 304 keeps the length",
       "HTTP/1.1 304 X\r\nContent-Length: 9\r\n\r\n",
       {},
       "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n" + id + "\r\n"},
      {"RFC 9110 8.6: 204 has none",
       "HTTP/1.1 204 X\r\nContent-Length: 9\r\n\r\n",
       {},
       "HTTP/1.1 204 No Content\r\n" + id + "\r\n"},
      {"the upstream's request id stays",
       "HTTP/1.1 204 X\r\nX-Request-Id: theirs\r\n\r\n",
       {},
       "HTTP/1.1 204 No Content\r\nX-Request-Id: theirs\r\n\r\n"},
      {"the mark between proxies ends here",
       "HTTP/1.1 204 X\r\nx-outrigger-retry: no\r\n\r\n",
       {},
       "HTTP/1.1 204 No Content\r\n" + id + "\r\n"},
      {"RFC 9110 7.6.3: Via",
       "HTTP/1.0 204 X\r\n\r\n",
       {.via = true},
       "HTTP/1.1 204 No Content\r\n" + id + "Via: 1.0 outrigger\r\n\r\n"},
      {"RFC 9110 15.2.2: 101",
       "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nA: b\r\nConnection: Upgrade\r\n\r\n",
       {},
       "HTTP/1.1 101 Switching Protocols\r\nA: b\r\nUpgrade: websocket\r\nConnection: upgrade\r\n" +
           id + "\r\n",
       {.upgrade_requested = true}},
  };
  for (const auto& each : table) {
    INFO(each.why);
    auto add = each.add;
    add.request_id = "id";
    CHECK(relayed(each.received, add, each.context) == each.sent);
  }
}

TEST_CASE("informational heads carry fields and no framing") {
  ParsedResponse hints(
      "HTTP/1.1 103 X\r\nLink: </a>\r\nContent-Length: 5\r\nConnection: x\r\n\r\n");
  REQUIRE(hints.error == HeadError::None);
  OutBuffer out;
  write_informational(out, hints.head);
  CHECK(out.view() == "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
}

TEST_CASE("chunks are framed") {
  OutBuffer out;
  write_chunk_size(out, 26);
  out.append("\r\n");
  write_last_chunk(out, nullptr);
  CHECK(out.view() == "1a\r\n\r\n0\r\n\r\n");
  Headers trailers;
  trailers.add("A", "b");
  out.clear();
  write_last_chunk(out, &trailers);
  CHECK(out.view() == "0\r\nA: b\r\n\r\n");
}

TEST_CASE("answers of our own are whole messages") {
  CHECK(local({.status = 503,
               .proxy_status = "outrigger; error=x; details=\"y\"",
               .body = "no\n",
               .content_type = "text/plain",
               .request_id = "id",
               .date = "today",
               .outrigger_retry = "elsewhere",
               .retry_after_s = 2,
               .close = true}) ==
        "HTTP/1.1 503 Service Unavailable\r\nDate: today\r\nContent-Type: text/plain\r\n"
        "Content-Length: 3\r\nProxy-Status: outrigger; error=x; details=\"y\"\r\nRetry-After: 2\r\n"
        "x-outrigger-retry: elsewhere\r\nX-Request-Id: id\r\nConnection: close\r\n\r\nno\n");
  CHECK(local({.status = 200}) == "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CHECK(local({.status = 200, .body = "x", .head_only = true}) ==
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
  CHECK(local({.status = 204, .body = "x"}) == "HTTP/1.1 204 No Content\r\n\r\n");
  CHECK(local({.status = 304, .body = "x"}) == "HTTP/1.1 304 Not Modified\r\n\r\n");
  CHECK(contains(local({.keep_alive_10 = true}), "\r\nConnection: keep-alive\r\n"));

  const std::pair<std::string, std::string> headers[] = {{"content-type", "a/b"}, {"X", "y"}};
  const auto own = local({.body = "x", .content_type = "text/plain", .headers = headers});
  CHECK(contains(own, "\r\ncontent-type: a/b\r\nX: y\r\n"));
  CHECK_FALSE(contains(own, "text/plain"));
}

TEST_CASE("answers of our own are framed by us, whatever their fields say") {
  const std::pair<std::string, std::string> headers[] = {
      {"Content-Length", "99"}, {"Transfer-Encoding", "chunked"}, {"Connection", "x"}, {"A", "b"}};
  CHECK(local({.body = "x", .headers = headers}) ==
        "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 1\r\n\r\nx");
}

TEST_CASE("statuses have the reasons of their registry") {
  CHECK(reason_phrase(200) == "OK");
  CHECK(reason_phrase(425) == "Too Early");
  CHECK(reason_phrase(418) == "I'm a teapot");
  CHECK(reason_phrase(504) == "Gateway Timeout");
  CHECK(reason_phrase(599) == "Unknown");
}

TEST_CASE("writing allocates nothing once it is warm") {
  ParsedRequest parsed(get("Connection: keep-alive\r\nA: b\r\n"));
  OutBuffer out;
  const auto write = [&] {
    out.clear();
    write_request_head(out, parsed.head, {.request_id = "0123456789abcdef"});
  };
  write();
  const auto before = outrigger::test::allocations();
  write();
  CHECK(outrigger::test::allocations() == before);
}

TEST_CASE("a request's target and host are replaced where a route says so") {
  const std::string received = get("X: 1\r\n");
  CHECK(forwarded(received, {.request_id = "id",
                             .target = {.prefix = "/new", .rest = "/x?y"},
                             .host = "inner:81"}) ==
        "GET /new/x?y HTTP/1.1\r\nHost: inner:81\r\nX: 1\r\n" + kEnd);
  CHECK(contains(forwarded(received, {.forwarded_append = true, .host = "inner"}),
                 "X-Forwarded-Host: a\r\n"));
}

TEST_CASE("a route's changes of a request come last, and over what the proxy adds") {
  const HeaderEdits edits({{"x-set", "%{attempt} of %{upstream}"}, {"X-Request-Id", "mine"}},
                          {{"x-add", "2"}},
                          {"x-gone", "X-Forwarded-For", "via", "x-request-timeout-ms"});
  RequestAdditions add{.request_id = "id", .client_ip = "9.9.9.9", .proto = "http", .attempt = 3};
  add.forwarded_append = add.via = add.has_timeout = true;
  add.edits = &edits;
  add.upstream = "u";
  CHECK(forwarded(get("X-Set: old\r\nX-Add: 1\r\nX-Gone: g\r\nX-Forwarded-For: 1.1.1.1\r\n"
                      "Via: 1.1 x\r\nY: 1\r\nx-set: older\r\n"),
                  add) ==
        kStart + "X-Add: 1\r\nY: 1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n" +
            "x-outrigger-attempt: 3\r\nx-set: 3 of u\r\nX-Request-Id: mine\r\nx-add: 2\r\n\r\n");
}

TEST_CASE("OPTIONS and TRACE are forwarded once less than they may be") {
  const auto sent = [](const std::string& start, const std::string& value) {
    return forwarded(start + " HTTP/1.1\r\nHost: a\r\nMax-Forwards: " + value + "\r\n\r\n", {});
  };
  CHECK(contains(sent("OPTIONS *", "7"), "\r\nMax-Forwards: 6\r\n"));
  CHECK(contains(sent("TRACE /", "1"), "\r\nMax-Forwards: 0\r\n"));
  CHECK(contains(sent("GET /", "7"), "\r\nMax-Forwards: 7\r\n"));
  CHECK(contains(sent("OPTIONS *", "x"), "\r\nMax-Forwards: x\r\n"));
}

TEST_CASE("a response without a date gets one") {
  const std::string received = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  CHECK(contains(relayed(received, {.date = "now"}), "\r\nDate: now\r\n"));
  CHECK_FALSE(contains(relayed(received, {}), "Date"));
  const HeaderEdits undated({}, {}, {"date"});
  CHECK_FALSE(contains(relayed(received, {.date = "now", .edits = &undated}), "Date"));
}

TEST_CASE("a route's changes of a response leave its framing alone") {
  const HeaderEdits edits({{"x-by", "%{upstream}"}}, {{"x-add", "2"}}, {"server", "x-request-id"});
  CHECK(relayed("HTTP/1.1 200 OK\r\nServer: s\r\nX-Add: 1\r\nContent-Length: 5\r\n\r\n",
                {.request_id = "id", .edits = &edits, .variables = {.upstream = "u"}}) ==
        "HTTP/1.1 200 OK\r\nX-Add: 1\r\nContent-Length: 5\r\nx-by: u\r\nx-add: 2\r\n\r\n");
}

TEST_CASE("a cookie that is issued stands beside the upstream's own") {
  const std::array<std::string, 2> issued = {"", "b=2"};
  CHECK(relayed("HTTP/1.1 204 No Content\r\nSet-Cookie: a=1\r\n\r\n", {.set_cookies = issued}) ==
        "HTTP/1.1 204 No Content\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n");
}
