#include "proxy/http/body_reader.h"

#include <string>

#include "tests/support/catch.h"

using namespace outrigger::http;
using Event = BodyReader::Event;

TEST_CASE("no body takes nothing") {
  BodyReader body;
  body.start(Framing::None, 0);
  std::string_view in = "GET /";
  std::string_view data;
  CHECK(body.next(in, data) == Event::Done);
  CHECK(in == "GET /");
}

TEST_CASE("a body with a length never takes more") {
  BodyReader body;
  body.start(Framing::Length, 5);
  std::string_view in = "he";
  std::string_view data;
  REQUIRE(body.next(in, data) == Event::Data);
  CHECK(data == "he");
  CHECK(body.remaining() == 3);
  CHECK(body.next(in, data) == Event::NeedMore);

  in = "lloGET /";
  REQUIRE(body.next(in, data) == Event::Data);
  CHECK(data == "llo");
  CHECK(body.next(in, data) == Event::Done);
  CHECK(in == "GET /");
  CHECK(body.next(in, data) == Event::Done);
}

TEST_CASE("a length of 0 is done at once, a large one is counted whole") {
  BodyReader body;
  std::string_view in;
  std::string_view data;
  body.start(Framing::Length, 0);
  CHECK(body.next(in, data) == Event::Done);

  body.start(Framing::Length, 5000000000);
  in = "abc";
  CHECK(body.next(in, data) == Event::Data);
  CHECK(body.remaining() == 4999999997);
}

TEST_CASE("a chunked body ends with its trailers") {
  BodyReader body;
  body.start(Framing::Chunked, 0);
  std::string_view in = "2\r\nab\r\n0\r\nA: b\r\n\r\nrest";
  std::string_view data;
  REQUIRE(body.next(in, data) == Event::Data);
  CHECK(data == "ab");
  CHECK(body.next(in, data) == Event::Done);
  CHECK(in == "rest");
  REQUIRE(body.trailers());
  CHECK(body.trailers()->size() == 1);

  body.start(Framing::Chunked, 0);
  in = "0\r\n\r\n";
  CHECK(body.next(in, data) == Event::Done);
  CHECK(body.trailers() == nullptr);

  body.start(Framing::Length, 1);
  CHECK(body.trailers() == nullptr);
}

TEST_CASE("a body until close takes all there is") {
  BodyReader body;
  body.start(Framing::UntilClose, 0);
  std::string_view in = "abc";
  std::string_view data;
  CHECK(body.next(in, data) == Event::Data);
  CHECK(data == "abc");
  CHECK(body.next(in, data) == Event::NeedMore);
}
