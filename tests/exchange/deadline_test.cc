#include "proxy/exchange/deadline.h"

#include "tests/support/catch.h"

namespace outrigger::exchange {
namespace {

using namespace std::chrono_literals;

TEST_CASE("milliseconds are digits and nothing else") {
  CHECK(parse_timeout_ms("0") == Duration{});
  CHECK(parse_timeout_ms("1500") == 1500ms);
  CHECK(parse_timeout_ms("9999999999") == 9999999999ms);
  for (const char* wrong : {"", "-1", "+1", "1.5", "1s", " 1", "0x1", "99999999999"}) {
    INFO(wrong);
    CHECK_FALSE(parse_timeout_ms(wrong));
  }
}

TEST_CASE("a gRPC timeout has up to eight digits and a unit") {
  CHECK(parse_grpc_timeout("1H") == 1h);
  CHECK(parse_grpc_timeout("2M") == 2min);
  CHECK(parse_grpc_timeout("3S") == 3s);
  CHECK(parse_grpc_timeout("4m") == 4ms);
  CHECK(parse_grpc_timeout("5u") == 5us);
  CHECK(parse_grpc_timeout("6n") == 6ns);
  CHECK(parse_grpc_timeout("99999999H") == 24h * 365);
  for (const char* wrong : {"", "S", "5", "5s", "123456789m", "1.5S", "-1S", "5 S"}) {
    INFO(wrong);
    CHECK_FALSE(parse_grpc_timeout(wrong));
  }
}

TEST_CASE("the shorter of the headers listened to counts, and nonsense is said to be there") {
  const auto add = [](http::Headers& headers, std::string_view name, std::string_view value) {
    headers.add(name, value);
  };
  http::Headers both;
  add(both, "X-Request-Timeout-Ms", "300");
  add(both, "grpc-timeout", "1S");
  CHECK(caller_deadline(both, {}).left == 300ms);
  CHECK(caller_deadline(both, {.timeout_ms = false}).left == 1s);
  CHECK_FALSE(caller_deadline(both, {.timeout_ms = false, .grpc = false}).left);

  http::Headers half;
  add(half, "x-request-timeout-ms", "soon");
  add(half, "grpc-timeout", "2S");
  const auto deadline = caller_deadline(half, {});
  CHECK(deadline.malformed);
  CHECK(deadline.left == 2s);
}

}  // namespace
}  // namespace outrigger::exchange
