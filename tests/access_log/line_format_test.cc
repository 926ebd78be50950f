#include "proxy/access_log/line_format.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "proxy/base/random.h"
#include "tests/access_log/scripted.h"
#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::access_log {
namespace {

using namespace test;
using config::LogFormat;

constexpr std::int64_t kWhen = 1'770'000'000'123;  // 2026-02-02T02:40:00.123Z

std::string line_of(const ExchangeRecord& record, const config::AccessLog& settings = {}) {
  std::vector<char> room(kMaxLine);
  LineFormat format(settings, config_with(settings));
  return {room.data(), format.write(room.data(), record, kWhen)};
}
std::string text_of(const ExchangeRecord& record) {
  return line_of(record, {.format = LogFormat::Text});
}
nlohmann::json json_of(const ExchangeRecord& record, const config::AccessLog& settings = {}) {
  return nlohmann::json::parse(line_of(record, settings));
}

TEST_CASE("a line of JSON, field by field") {
  auto made = record();
  made.addresses = "10.0.0.1:80";
  auto& only = add_try(made, TryKind::First, kFine, 1ms);
  only.address_end = 11;
  CHECK(line_of(made) ==
        R"({"time":"2026-02-02T02:40:00.123Z","request_id":"0123456789abcdef",)"
        R"("listener":"main","route":"a","upstream":"u","method":"GET","host":"shop.example",)"
        R"("path":"/cart","status":200,"bytes_in":5,"bytes_out":678,"duration_seconds":0.001234,)"
        R"("caller":"10.1.2.3","tries":[{"try":"first","endpoint":"10.0.0.1:80",)"
        R"("outcome":"success","status":200,"duration_seconds":0.001000}]})"
        "\n");
}

TEST_CASE("a line of text has the same names") {
  auto made = record();
  made.addresses = "10.0.0.1:8010.0.0.2:80";
  made.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  auto& first = add_try(made, TryKind::First, kRefused, 2ms);
  first.address_end = 11;
  auto& second = add_try(made, TryKind::Retry, kFine, 1s);
  second.address_begin = 11;
  second.address_end = 22;
  second.waited = 10ms;
  CHECK(text_of(made) ==
        "time=2026-02-02T02:40:00.123Z request_id=\"0123456789abcdef\" "
        "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 listener=main route=a upstream=u "
        "method=\"GET\" host=\"shop.example\" path=\"/cart\" status=200 bytes_in=5 bytes_out=678 "
        "duration_seconds=0.001234 caller=\"10.1.2.3\" "
        "tries=\"first 10.0.0.1:80 connect-failure 0.002000s; "
        "retry 10.0.0.2:80 success 200 waited 0.010000s 1.000000s\"\n");
}

TEST_CASE("the query is only written where it is asked for") {
  CHECK(json_of(record())["path"] == "/cart");
  CHECK(json_of(record(), {.query = true})["path"] == "/cart?item=1");
}

TEST_CASE("what has no route or no upstream has empty names") {
  auto none = record();
  none.listener = 1;
  none.route = none.upstream = exchange::kNoIndex;
  none.status = 404;
  none.local_reply = true;
  none.failure = exchange::FailureKind::NoRoute;
  const auto line = json_of(none);
  CHECK(line["listener"] == "second");
  CHECK(line["route"] == "");
  CHECK(line["upstream"] == "");
  CHECK(line["reason"] == "no-route");
  CHECK(line["tries"].empty());

  auto fixed = record();
  fixed.route = 2;
  fixed.upstream = exchange::kNoIndex;
  CHECK(json_of(fixed)["route"] == "fixed");
  CHECK_FALSE(json_of(fixed).contains("reason"));
  CHECK(text_of(fixed).find("tries") == std::string::npos);
}

TEST_CASE("the reason is what Proxy-Status says, or how else it ended") {
  const auto reason = [](auto change) {
    auto made = record();
    change(made);
    return json_of(made)["reason"];
  };
  CHECK(reason([](auto& made) { made.failure = exchange::FailureKind::CircuitOpen; }) ==
        "circuit-open");
  CHECK(reason([](auto& made) {
          made.failure = exchange::FailureKind::CallerGone;
          made.status = 499;
        }) == "caller-gone");
  CHECK(reason([](auto& made) {
          made.timeout = exchange::TimeoutKind::Write;
          made.aborted = exchange::AbortSide::Downstream;
        }) == "write-timeout");
  CHECK(reason([](auto& made) {
          made.fell_back = true;
          made.fallback_reason = "5xx";
        }) == "5xx");
}

TEST_CASE("what policies did is told in their words") {
  auto made = record();
  made.status = 503;
  made.failure = exchange::FailureKind::Overflow;
  made.limit = exchange::LimitKind::MaxPending;
  made.breaker = exchange::BreakerScope::Upstream;
  made.retry_denied = policy::Denial::Budget;
  made.aborted = exchange::AbortSide::Upstream;
  made.timeout = exchange::TimeoutKind::Request;
  made.fell_back = true;
  made.fallback = 1;
  made.fault_delayed = true;
  const auto line = json_of(made);
  CHECK(line["limit"] == "max_pending");
  CHECK(line["circuit_breaker"] == "upstream");
  CHECK(line["retry_denied"] == "budget");
  CHECK(line["aborted"] == "upstream");
  CHECK(line["timeout"] == "request");
  CHECK(line["fallback"] == "v");
  CHECK(line["fault"] == "delay");
  made.fallback = exchange::kNoIndex;
  CHECK(json_of(made)["fallback"] == "respond");
}

TEST_CASE("each try has its endpoint, outcome and time; the fallback's has its upstream") {
  auto made = record();
  made.addresses = "10.0.0.1:80unix:/run/v";
  add_try(made, TryKind::First, k503, 2ms).address_end = 11;
  auto& other = add_try(made, TryKind::First, kFine, 3ms);
  other.upstream = 1;
  other.address_begin = 11;
  other.address_end = 22;
  add_try(made, TryKind::Hedge, kFine, 3ms).ended = false;
  add_try(made, TryKind::Retry, kFine, 3ms).reached_endpoint = false;
  const auto tries = json_of(made)["tries"];
  REQUIRE(tries.size() == 3);
  CHECK(tries[0] == nlohmann::json::parse(R"({"try":"first","endpoint":"10.0.0.1:80",)"
                                          R"("outcome":"5xx","status":503,)"
                                          R"("duration_seconds":0.002})"));
  CHECK(tries[1]["upstream"] == "v");
  CHECK(tries[1]["endpoint"] == "unix:/run/v");
  CHECK(tries[2]["outcome"] == "cancelled");
  CHECK_FALSE(tries[2].contains("duration_seconds"));
}

TEST_CASE("what callers send is bounded, and the line says that it was") {
  auto made = record();
  CHECK_FALSE(json_of(made).contains("truncated"));
  const std::string path(kMaxPath + 1, 'p'), host(kMaxHost + 1, 'h'), id(kMaxRequestId + 1, 'i');
  made.path = path;
  CHECK(json_of(made)["path"].get<std::string>().size() == kMaxPath);
  CHECK(json_of(made)["truncated"] == true);
  CHECK(text_of(made).ends_with(" truncated=true\n"));
  made = record();
  made.host = host;
  made.request_id = id;
  CHECK(json_of(made)["host"].get<std::string>().size() == kMaxHost);
  CHECK(json_of(made)["request_id"].get<std::string>().size() == kMaxRequestId);
  CHECK(json_of(made)["truncated"] == true);
}

TEST_CASE("whatever is in a record makes one line, of JSON where it should be, within its room") {
  Random random(5);
  std::string all(exchange::kMaxTries * 150, '\x01');
  for (int i = 0; i < 500; ++i) {
    std::string bytes(random.below(5000), '\x01');
    if (i > 0) {
      for (char& c : bytes) c = static_cast<char>(random.below(256));
    } else {
      bytes.resize(5000, '\x01');
    }
    auto made = record();
    made.method = made.host = made.path = made.request_id = bytes;
    made.addresses = all;
    made.fell_back = true;
    made.aborted = exchange::AbortSide::Upstream;
    made.retry_denied = policy::Denial::NoOtherEndpoint;
    made.limit = exchange::LimitKind::MaxConnectionsPerEndpoint;
    for (std::size_t t = 0; t < exchange::kMaxTries; ++t) {
      auto& one = add_try(made, TryKind::Retry, k503, 1000h);
      one.upstream = 1;
      one.waited = 1000h;
      one.address_begin = static_cast<std::uint16_t>(t * 150);
      one.address_end = static_cast<std::uint16_t>(t * 150 + 150);
    }
    for (const auto format : {LogFormat::Json, LogFormat::Text}) {
      const std::string line = line_of(made, {.format = format});
      CHECK(line.size() <= kMaxLine);
      CHECK(line.find('\n') == line.size() - 1);
      CHECK(line.find('\r') == std::string::npos);
      if (format == LogFormat::Json) CHECK(nlohmann::json::accept(line));
    }
  }
}

TEST_CASE("a caller cannot forge fields of a text line") {
  auto made = record();
  made.path = "/x\" status=200 \n time=";
  CHECK(text_of(made).find(R"(path="/x\" status=200 \x0a time=" status=200)") != std::string::npos);
}

TEST_CASE("times are in UTC to the millisecond, also across a second and a day") {
  Timestamp timestamp;
  const auto at = [&timestamp](std::int64_t ms) {
    char text[Timestamp::kSize];
    return std::string(text, timestamp.write(text, ms));
  };
  CHECK(at(0) == "1970-01-01T00:00:00.000Z");
  CHECK(at(999) == "1970-01-01T00:00:00.999Z");
  CHECK(at(1000) == "1970-01-01T00:00:01.000Z");
  CHECK(at(86'399'999) == "1970-01-01T23:59:59.999Z");
  CHECK(at(86'400'000) == "1970-01-02T00:00:00.000Z");
  CHECK(at(1'709'164'800'007) == "2024-02-29T00:00:00.007Z");
  CHECK(at(5) == "1970-01-01T00:00:00.005Z");  // the clock was set back
}

TEST_CASE("writing a line allocates nothing") {
  std::vector<char> room(kMaxLine);
  const config::AccessLog settings;
  LineFormat format(settings, config_with(settings));
  auto made = record();
  made.addresses = "10.0.0.1:80";
  add_try(made, TryKind::First, kFine, 1ms).address_end = 11;
  const auto before = outrigger::test::allocations();
  for (int i = 0; i < 100; ++i) format.write(room.data(), made, kWhen + i * 100);
  CHECK(outrigger::test::allocations() == before);
}

}  // namespace
}  // namespace outrigger::access_log
