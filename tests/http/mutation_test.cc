// Mutated heads: never a crash, pieces and the whole end alike, and what is taken can be written
// and read again with the same meaning.
#include <string>

#include "proxy/base/random.h"
#include "proxy/http/out_buffer.h"
#include "proxy/http/writer.h"
#include "tests/http/parsed.h"
#include "tests/support/catch.h"

using namespace outrigger;
using namespace outrigger::http;
using Kind = HeadScanner::Outcome::Kind;

namespace {

constexpr int kRounds = 30000;

std::string mutated(std::string text, Random& random) {
  static constexpr std::string_view kPieces[] = {"\r",
                                                 "\n",
                                                 "\r\n",
                                                 "\r\n\r\n",
                                                 " ",
                                                 "\t",
                                                 ":",
                                                 ",",
                                                 ";",
                                                 "/",
                                                 "?",
                                                 "#",
                                                 "%00",
                                                 "@",
                                                 "[",
                                                 "\\",
                                                 "Host: b\r\n",
                                                 "Content-Length: 3\r\n",
                                                 "Transfer-Encoding: chunked\r\n",
                                                 "Connection: close\r\n",
                                                 "close",
                                                 "chunked",
                                                 "HTTP/1.0",
                                                 "0",
                                                 "\x7f",
                                                 "\xff",
                                                 "http://"};
  for (std::uint32_t change = 1 + random.below(4); change > 0; --change) {
    const auto at = random.below(static_cast<std::uint32_t>(text.size()) + 1);
    switch (random.below(4)) {
      case 0:
        text.insert(at, kPieces[random.below(std::size(kPieces))]);
        break;
      case 1:
        text.erase(at, 1 + random.below(5));
        break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(random.below(256));
        break;
      default:
        text.insert(at, text.substr(at / 2, random.below(12)));
        break;
    }
  }
  return text;
}

void scans_alike(const std::string& text, std::size_t max_bytes, Random& random) {
  HeadScanner whole;
  HeadScanner pieces;
  const auto expected = whole.scan(text, max_bytes);
  HeadScanner::Outcome outcome;
  for (std::size_t size = 0; size < text.size() && outcome.kind == Kind::NeedMore;) {
    size = std::min(text.size(), size + 1 + random.below(3));
    outcome = pieces.scan(std::string_view(text).substr(0, size), max_bytes);
  }
  REQUIRE(outcome.kind == expected.kind);
  REQUIRE(outcome.length == expected.length);
  REQUIRE(outcome.error == expected.error);
}

void reads_back(const RequestHead& head) {
  OutBuffer out;
  write_request_head(out, head, {.request_id = "id"});
  ParsedRequest again{std::string(out.view())};
  REQUIRE(again.error == HeadError::None);
  REQUIRE(again.head.method == head.method);
  REQUIRE(again.head.target == head.target);
  REQUIRE(again.head.authority == head.authority);
  REQUIRE(again.head.framing == head.framing);
  REQUIRE(again.head.content_length == head.content_length);
}

}  // namespace

TEST_CASE("mutated requests are refused, or mean the same to the next reader") {
  const std::string seeds[] = {
      "GET /a?b=c HTTP/1.1\r\nHost: a.example:80\r\nAccept: */*\r\nX: y\r\n\r\n",
      "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: keep-alive, x-a\r\nX-A: "
      "1\r\n\r\n",
      "PUT http://b/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nExpect: 100-continue\r\nUpgrade: websocket\r\n\r\n"};
  Random random(4711);
  int taken = 0;
  for (int round = 0; round < kRounds; ++round) {
    INFO("round " << round);
    const std::string text = mutated(seeds[random.below(std::size(seeds))], random);
    scans_alike(text, 100 + random.below(100), random);
    ParsedRequest parsed(text);
    if (parsed.error != HeadError::None) continue;
    ++taken;
    if (parsed.head.authority.empty()) continue;  // only from HTTP/1.0
    reads_back(parsed.head);
  }
  CHECK(taken > kRounds / 50);  // else the mutations are too coarse to show anything
  CHECK(taken < kRounds);
}

TEST_CASE("mutated responses are refused, or mean the same to the next reader") {
  const std::string seeds[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\nDate: y\r\n\r\n",
      "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n",
      "HTTP/1.0 304 Not Modified\r\nConnection: keep-alive\r\nETag: \"a\"\r\n\r\n"};
  Random random(4712);
  int taken = 0;
  for (int round = 0; round < kRounds; ++round) {
    INFO("round " << round);
    ParsedResponse parsed(mutated(seeds[random.below(std::size(seeds))], random));
    if (parsed.error != HeadError::None || parsed.head.status < 200) continue;
    ++taken;
    OutBuffer out;
    write_response_head(out, parsed.head, {.chunked = parsed.head.framing == Framing::Chunked});
    ParsedResponse again{std::string(out.view())};
    REQUIRE(again.error == HeadError::None);
    REQUIRE(again.head.status == parsed.head.status);
    REQUIRE(again.head.framing == parsed.head.framing);
    if (parsed.head.status != 204) REQUIRE(again.head.content_length == parsed.head.content_length);
  }
  CHECK(taken > kRounds / 50);
  CHECK(taken < kRounds);
}
