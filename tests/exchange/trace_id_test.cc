#include "proxy/exchange/trace_id.h"

#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace outrigger::exchange {
namespace {

const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";

TEST_CASE("the trace is the second part of a traceparent") {
  CHECK(trace_id("00-" + kTrace + "-00f067aa0ba902b7-01") == kTrace);
  CHECK(trace_id("01-" + kTrace + "-00f067aa0ba902b7-01-what-comes-later") == kTrace);
}

TEST_CASE("each byte of it is a small hexadecimal digit") {
  const std::string good = "00-" + kTrace + "-00f067aa0ba902b7-01";
  for (std::size_t at = 0; at < good.size(); ++at) {
    if (good[at] == '-') continue;
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = good;
      text[at] = static_cast<char>(byte);
      const bool digit = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
      const bool version = at < 2 && text.substr(0, 2) == "ff";
      INFO(text);
      CHECK(trace_id(text).empty() == (!digit || version));
    }
  }
}

TEST_CASE("what is no traceparent names no trace") {
  for (const std::string& text : std::vector<std::string>{
           "",
           "00-" + kTrace,
           "00-" + kTrace + "-00f067aa0ba902b7-0",
           "00-" + kTrace + "-00f067aa0ba902b7-01-more",
           "01-" + kTrace + "-00f067aa0ba902b7-01more",
           "ff-" + kTrace + "-00f067aa0ba902b7-01",
           "0x-" + kTrace + "-00f067aa0ba902b7-01",
           "00_" + kTrace + "-00f067aa0ba902b7-01",
           "00-" + std::string(32, '0') + "-00f067aa0ba902b7-01",
           "00-" + kTrace + "-0000000000000000-01",
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6\"3ce929d0e0e4736-00f067aa0ba902b7-01",
       }) {
    INFO(text);
    CHECK(trace_id(text).empty());
  }
}

}  // namespace
}  // namespace outrigger::exchange
