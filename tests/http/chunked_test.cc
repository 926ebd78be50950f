#include "proxy/http/chunked.h"

#include <optional>

#include "proxy/base/random.h"
#include "tests/support/allocations.h"
#include "tests/support/catch.h"

using namespace outrigger;
using namespace outrigger::http;
using Event = ChunkDecoder::Event;

namespace {

struct Decoded {
  Event end = Event::NeedMore;
  std::string body;
  std::string rest;
  std::string trailers;  // "name=value;" each

  bool operator==(const Decoded&) const = default;
};

// Feeds `text` in pieces of `piece` bytes.
Decoded decode(const std::string& text, std::size_t piece) {
  ChunkDecoder decoder;
  Decoded result;
  for (std::size_t at = 0; at < text.size() && result.end == Event::NeedMore; at += piece) {
    // A copy of its own, so that a view kept over the call would be found out.
    const std::string bytes = text.substr(at, piece);
    std::string_view in = bytes;
    std::string_view data;
    while ((result.end = decoder.next(in, data)) == Event::Data) result.body += data;
    if (result.end == Event::Done) result.rest = std::string(in) + text.substr(at + bytes.size());
  }
  if (result.end == Event::Done && decoder.trailers()) {
    for (const auto& field : decoder.trailers()->all()) {
      result.trailers += std::string(field.name) + "=" + std::string(field.value) + ";";
    }
  }
  return result;
}

void check_alike(const std::string& text, const Decoded& whole) {
  for (const std::size_t piece : {1, 2, 3, 5, 7}) {
    INFO("in pieces of " << piece);
    const Decoded pieces = decode(text, piece);
    CHECK(pieces.end == whole.end);
    if (whole.end == Event::Done) CHECK(pieces == whole);
  }
}

}  // namespace

TEST_CASE("chunked bodies are read, whole and in pieces alike") {
  struct Case {
    const char* why;
    std::string text;
    Decoded expected;
  };
  const std::vector<Case> table = {
      {"RFC 9112 7.1: nothing", "0\r\n\r\n", {Event::Done}},
      {"RFC 9112 7.1: one", "5\r\nhello\r\n0\r\n\r\n", {Event::Done, "hello"}},
      {"RFC 9112 7.1: two", "5\r\nhello\r\n3\r\n, w\r\n0\r\n\r\n", {Event::Done, "hello, w"}},
      {"RFC 9112 7.1: hexadecimal, both cases",
       "0a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
       {Event::Done, "01234567890123456789"}},
      {"RFC 9112 7.1: several zeros end", "000\r\n\r\n", {Event::Done}},
      {"RFC 9112 7.1: leading zeros", "0005\r\nhello\r\n0\r\n\r\n", {Event::Done, "hello"}},
      {"RFC 9112 7.1: CRLF in the data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", {Event::Done, "\r\n\r\n"}},
      {"what follows is left", "1\r\na\r\n0\r\n\r\nGET /", {Event::Done, "a", "GET /"}},
      {"RFC 9112 7.1.1: extensions are dropped",
       "1;a=b\r\na\r\n1;c\r\nb\r\n1 ; d=\"e\"\r\nc\r\n0;f\r\n\r\n",
       {Event::Done, "abc"}},
      {"RFC 9112 7.1.2: trailers",
       "0\r\nA: b\r\nC-d:  e \r\n\r\nX",
       {Event::Done, "", "X", "A=b;C-d=e;"}},
      {"RFC 9112 7.1.2: an empty value", "0\r\nA:\r\n\r\n", {Event::Done, "", "", "A=;"}},
      {"a gRPC status", "0\r\ngrpc-status: 0\r\n\r\n", {Event::Done, "", "", "grpc-status=0;"}},
      {"not ended", "5\r\nhel", {Event::NeedMore, "hel"}},
      {"not ended", "5\r\nhello\r\n0\r\n", {Event::NeedMore, "hello"}},
      {"not ended", "5\r\nhello\r\n0\r\nA: b\r\n", {Event::NeedMore, "hello"}},
  };
  for (const auto& each : table) {
    INFO(each.why);
    CHECK(decode(each.text, each.text.size()) == each.expected);
    check_alike(each.text, each.expected);
  }
}

TEST_CASE("chunked bodies that two readers could end differently are refused") {
  struct Case {
    const char* why;
    std::string text;
  };
  const std::string good = "1\r\na\r\n";
  const std::vector<Case> table = {
      {"RFC 9112 7.1: no size", "\r\n\r\n"},
      {"RFC 9112 7.1: no size but an extension", ";a=b\r\n\r\n"},
      {"RFC 9112 7.1: no digit", "g\r\na\r\n"},
      {"RFC 9112 7.1: 0x", "0x1\r\na\r\n"},
      {"RFC 9112 7.1: a sign", "+1\r\na\r\n"},
      {"RFC 9112 7.1: a sign", "-1\r\na\r\n"},
      {"RFC 9112 7.1: a space before", " 1\r\na\r\n"},
      {"RFC 9112 7.1: a space after", "1 \r\na\r\n"},
      {"RFC 9112 7.1: a tab after", "1\t\r\na\r\n"},
      {"RFC 9112 7.1: a space within", "1 1\r\na\r\n"},
      {"RFC 9112 7.1: no semicolon", "1 a=b\r\na\r\n"},
      {"RFC 9112 7.1: bare LF after the size", "1\na\r\n"},
      {"RFC 9112 7.1: bare CR after the size", "1\ra\r\n"},
      {"RFC 9112 7.1: bare LF after the data", "1\r\na\n"},
      {"RFC 9112 7.1: no CRLF after the data", "1\r\nab\r\n"},
      {"RFC 9112 7.1: bare CR after the data", "1\r\na\ra"},
      {"RFC 9112 7.1: bare LF in an extension", "1;a\nb\r\na\r\n"},
      {"RFC 9112 7.1: CR in an extension", "1;a\rb\r\na\r\n"},
      {"RFC 9112 7.1: NUL in an extension", std::string("1;a\0\r\na\r\n", 9)},
      {"RFC 9112 7.1: bare LF after the last size", good + "0\n\r\n"},
      {"RFC 9112 7.1: bare LF at the end", good + "0\r\n\n"},
      {"RFC 9112 7.1: bare CR at the end", good + "0\r\n\rX"},
      {"RFC 9112 7.1.2: bare LF after a trailer", "0\r\nA: b\n\r\n"},
      {"RFC 9112 7.1.2: bare LF after the trailers", "0\r\nA: b\r\n\n"},
      {"RFC 9112 5.2: obs-fold in a trailer", "0\r\nA: b\r\n c\r\n\r\n"},
      {"RFC 9112 5.2: white space before a trailer", "0\r\n A: b\r\n\r\n"},
      {"RFC 9112 5.1: a trailer without a name", "0\r\n: b\r\n\r\n"},
      {"RFC 9112 5.1: a trailer without a colon", "0\r\nA\r\n\r\n"},
      {"RFC 9112 5.1: space before a trailer's colon", "0\r\nA : b\r\n\r\n"},
      {"RFC 9110 5.5: a control character in a trailer", "0\r\nA: b\x01\r\n\r\n"},
      {"RFC 9110 5.5: DEL in a trailer", "0\r\nA: b\x7f\r\n\r\n"},
      {"sixteen digits", "0000000000000001\r\na\r\n"},
      {"over 64 bits", "fffffffffffffffff\r\na\r\n"},
  };
  for (const auto& each : table) {
    INFO(each.why);
    const Decoded whole = decode(each.text, each.text.size());
    CHECK(whole.end == Event::Error);
    check_alike(each.text, whole);
  }
}

TEST_CASE("a broken chunked body stays broken") {
  ChunkDecoder decoder;
  std::string_view in = "x\r\n0\r\n\r\n";
  std::string_view data;
  REQUIRE(decoder.next(in, data) == Event::Error);
  in = "0\r\n\r\n";
  CHECK(decoder.next(in, data) == Event::Error);
  decoder.reset();
  in = "0\r\n\r\n";
  CHECK(decoder.next(in, data) == Event::Done);
}

TEST_CASE("size lines, extensions and trailers are bounded") {
  const auto end_of = [](const std::string& text) { return decode(text, text.size()).end; };
  const std::string end = "0\r\n\r\n";
  CHECK(end_of("1;" + std::string(252, 'a') + "\r\nx\r\n" + end) == Event::Done);
  CHECK(end_of("1;" + std::string(253, 'a') + "\r\nx\r\n" + end) == Event::Error);
  CHECK(end_of(std::string(300, '0')) == Event::Error);

  const std::string extended = "1;" + std::string(199, 'a') + "\r\nx\r\n";  // 200 bytes of it
  std::string many;
  for (int i = 0; i < 81; ++i) many += extended;
  CHECK(end_of(many + end) == Event::Done);
  CHECK(end_of(many + extended + end) == Event::Error);

  std::string trailers;
  for (int i = 0; i < 64; ++i) trailers += "A: b\r\n";
  CHECK(end_of("0\r\n" + trailers + "\r\n") == Event::Done);
  CHECK(end_of("0\r\n" + trailers + "A: b\r\n\r\n") == Event::Error);
  const std::string large = "A: " + std::string(8 * 1024 - 7, 'a') + "\r\n\r\n";
  CHECK(end_of("0\r\n" + large) == Event::Done);
  CHECK(end_of("0\r\nb" + large) == Event::Error);
  check_alike("0\r\n" + large, decode("0\r\n" + large, 100000));
  check_alike("0\r\nb" + large, decode("0\r\nb" + large, 100000));
}

TEST_CASE("trailers that would frame, route or authorise are left out") {
  for (const std::string name : {"Content-Length",
                                 "transfer-encoding",
                                 "Host",
                                 "Authorization",
                                 "Connection",
                                 "Trailer",
                                 "TE",
                                 "Upgrade",
                                 "Content-Type",
                                 "Content-Encoding",
                                 "Content-Range",
                                 "Keep-Alive",
                                 "Cookie",
                                 "Set-Cookie",
                                 "Expect",
                                 "Proxy-Authorization",
                                 "X-Forwarded-For",
                                 "X-Request-Id",
                                 "x-outrigger-attempt",
                                 "x-outrigger-retry",
                                 "Cache-Control",
                                 "Location",
                                 "Retry-After"}) {
    INFO("RFC 9110 6.5.1: " << name);
    CHECK(decode("0\r\n" + name + ": 1\r\nX: y\r\n\r\n", 1000).trailers == "X=y;");
    CHECK(decode("0\r\n" + name + ": 1\r\n\r\n", 1000).trailers.empty());
  }
}

TEST_CASE("trailers cost memory only where there are some, and outlive the input") {
  ChunkDecoder decoder;
  const std::string plain = "5\r\nhello\r\n0\r\n\r\n";
  const auto before = test::allocations();
  for (int i = 0; i < 3; ++i) {
    std::string_view in = plain;
    std::string_view data;
    decoder.reset();
    while (decoder.next(in, data) == Event::Data) {
    }
  }
  CHECK(test::allocations() == before);
  CHECK(decoder.trailers() == nullptr);

  decoder.reset();
  {
    const std::string text = "0\r\nA: b\r\n\r\n";
    std::string_view in = text;
    std::string_view data;
    REQUIRE(decoder.next(in, data) == Event::Done);
  }
  REQUIRE(decoder.trailers());
  CHECK(decoder.trailers()->find("a")->value == "b");
  decoder.reset();
  CHECK(decoder.trailers() == nullptr);
}

TEST_CASE("mutated chunked bodies end the same in any pieces") {
  const std::string seed =
      "5;a=b\r\nhello\r\n1f\r\n0123456789012345678901234567890\r\n0\r\nA: b\r\n\r\nGET";
  static constexpr std::string_view kBytes = std::string_view("\r\n\0\t ;:0129afgA=\"\x7f\xff", 20);
  Random random(20240607);
  for (int round = 0; round < 20000; ++round) {
    std::string text = seed;
    for (std::uint32_t change = random.below(4); change > 0; --change) {
      const auto at = random.below(static_cast<std::uint32_t>(text.size()));
      const char byte = kBytes[random.below(static_cast<std::uint32_t>(kBytes.size()))];
      if (random.below(2) == 0)
        text[at] = byte;
      else
        text.insert(at, 1, byte);
    }
    const Decoded whole = decode(text, text.size());
    const Decoded pieces = decode(text, 1 + random.below(4));
    INFO("round " << round);
    REQUIRE(pieces.end == whole.end);
    if (whole.end == Event::Done) REQUIRE(pieces == whole);
  }
}
