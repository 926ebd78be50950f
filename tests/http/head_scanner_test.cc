#include "proxy/http/head_scanner.h"

#include <string>

#include "tests/support/catch.h"

using namespace outrigger::http;
using Kind = HeadScanner::Outcome::Kind;

namespace {

// Given byte by byte, as seldom as TCP does it.
HeadScanner::Outcome scan_in_pieces(const std::string& text, std::size_t max_bytes) {
  HeadScanner scanner;
  HeadScanner::Outcome outcome;
  for (std::size_t size = 1; size <= text.size() && outcome.kind == Kind::NeedMore; ++size) {
    outcome = scanner.scan(std::string_view(text).substr(0, size), max_bytes);
  }
  return outcome;
}

}  // namespace

TEST_CASE("a head is found whole and in pieces alike") {
  struct Case {
    std::string text;
    Kind kind;
    std::size_t length = 0;
    HeadError error = HeadError::None;
  };
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::vector<Case> table = {
      {head, Kind::Complete, head.size()},
      {head + "POST", Kind::Complete, head.size()},
      {head + std::string(5, '\0'), Kind::Complete, head.size()},
      {"\r\n\r\n" + head, Kind::Complete, head.size() + 4},
      {"A\r\n\r\n", Kind::Complete, 5},
      {"A\tB: \t\r\n\r\n", Kind::Complete, 10},
      {"", Kind::NeedMore},
      {"\r", Kind::NeedMore},
      {"\r\n", Kind::NeedMore},
      {head.substr(0, head.size() - 1), Kind::NeedMore},
      {head.substr(0, head.size() - 2), Kind::NeedMore},
      {"\n", Kind::Error, 0, HeadError::Malformed},
      {"A\n", Kind::Error, 0, HeadError::Malformed},
      {"A\r\n\n", Kind::Error, 0, HeadError::Malformed},
      {"A\rB", Kind::Error, 0, HeadError::Malformed},
      {"A\r\n\rB", Kind::Error, 0, HeadError::Malformed},
      {"A\r\r\n", Kind::Error, 0, HeadError::Malformed},
      {std::string("A\0", 2), Kind::Error, 0, HeadError::Malformed},
      {"A long line and then \x1f", Kind::Error, 0, HeadError::Malformed},
      {" ", Kind::Error, 0, HeadError::Malformed},
      {"A\r\n ", Kind::Error, 0, HeadError::Malformed},
      {"A\r\n\t", Kind::Error, 0, HeadError::Malformed},
      {"\r\n\r\n\r\n\r\n\r\n", Kind::Error, 0, HeadError::Malformed},
      {std::string(64, 'a'), Kind::Error, 0, HeadError::HeadTooLarge},
      {std::string(63, 'a'), Kind::NeedMore},
      {"A\r\n" + std::string(61, 'a') + "\n", Kind::Error, 0, HeadError::HeadTooLarge},
      {std::string(60, 'a') + "\r\n\r\n", Kind::Complete, 64},
      {std::string(61, 'a') + "\r\n\r\n", Kind::Error, 0, HeadError::HeadTooLarge},
  };
  for (const auto& each : table) {
    INFO("[" << each.text << "]");
    HeadScanner scanner;
    for (const auto& outcome : {scanner.scan(each.text, 64), scan_in_pieces(each.text, 64)}) {
      CHECK(outcome.kind == each.kind);
      CHECK(outcome.length == each.length);
      CHECK(outcome.error == each.error);
    }
  }
}

TEST_CASE("a control character is found at every place of a line") {
  for (std::size_t length = 1; length < 40; ++length) {
    for (std::size_t at = 0; at < length; ++at) {
      std::string text(length, 'a');
      text[at] = '\x01';
      HeadScanner scanner;
      CHECK(scanner.scan(text, 1000).error == HeadError::Malformed);
    }
    HeadScanner scanner;
    CHECK(scanner.scan(std::string(length, '\xff'), 1000).kind == Kind::NeedMore);
  }
}

TEST_CASE("a scanner serves again after reset") {
  HeadScanner scanner;
  REQUIRE(scanner.scan("A: b\r\nC", 100).kind == Kind::NeedMore);
  scanner.reset();
  CHECK(scanner.scan("A\r\n\r\n", 100).length == 5);
  scanner.reset();
  CHECK(scanner.scan("\r\n", 100).kind == Kind::NeedMore);
}

// Blocks are 64 bytes: each byte of what ends a head, or spoils it, comes to each place of one.
TEST_CASE("a head is the same wherever its lines end") {
  for (std::size_t first = 1; first < 140; ++first) {
    for (const std::size_t second : {std::size_t{1}, first, std::size_t{70}}) {
      const std::string head =
          "A: " + std::string(first, 'a') + "\r\nB: " + std::string(second, 'b') + "\r\n\r\n";
      const std::string all = head + "more\n";
      CAPTURE(first, second);
      HeadScanner scanner;
      const auto whole = scanner.scan(all, 1000);
      REQUIRE(whole.kind == Kind::Complete);
      REQUIRE(whole.length == head.size());
      REQUIRE(scan_in_pieces(all, 1000).length == head.size());
      REQUIRE(HeadScanner().scan(std::string_view(head).substr(0, head.size() - 1), 1000).kind ==
              Kind::NeedMore);
      std::string beyond_ascii = head;
      for (std::size_t at = 3; at < 3 + first; ++at) beyond_ascii[at] = '\xe9';
      REQUIRE(HeadScanner().scan(beyond_ascii, 1000).length == head.size());
      REQUIRE(scan_in_pieces(beyond_ascii, 1000).length == head.size());
      for (const char spoiler : {'\n', '\r', '\0'}) {
        std::string spoilt = head;
        spoilt[3 + first / 2] = spoiler;
        REQUIRE(HeadScanner().scan(spoilt, 1000).kind == Kind::Error);
        REQUIRE(scan_in_pieces(spoilt, 1000).kind == Kind::Error);
      }
    }
  }
}
