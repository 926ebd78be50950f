#include "config/load.h"
#include "tests/support/catch.h"

namespace outrigger::config {
namespace {

using namespace std::chrono_literals;

std::string refusal(std::string_view text) {
  const auto fault = load_fault(text);
  return fault ? "" : to_text("body", fault.error().front());
}

TEST_CASE("a fault by itself is read as JSON and as YAML") {
  for (const char* text :
       {R"({"delay": {"percent": 5, "duration": "200ms"},
            "abort": {"percent": 1.5, "status": "reset"},
            "headers": [{"name": "x-chaos", "present": true}], "until": "2027-01-15T08:00:00Z"})",
        "delay: {percent: 5, duration: 200ms}\nabort: {percent: 1.5, status: reset}\n"
        "headers: [{name: x-chaos, present: true}]\nuntil: 2027-01-15T08:00:00Z\n"}) {
    const auto fault = load_fault(text);
    REQUIRE(fault);
    CHECK(fault.value().delay->percent == 5);
    CHECK(fault.value().delay->duration == 200ms);
    CHECK(fault.value().abort->percent == 1.5);
    CHECK(fault.value().abort->status == 0);
    REQUIRE(fault.value().headers.size() == 1);
    CHECK(fault.value().until == std::chrono::sys_seconds(1'800'000'000s));
  }
}

TEST_CASE("what is wrong with a fault is said with its place") {
  CHECK(refusal(R"({"aborts": {}})") == "body:1:2: aborts: unknown key (did you mean 'abort'?)");
  CHECK(refusal(R"({"abort": {"percent": 101}})") ==
        "body:1:23: abort.percent: found '101' (expected a number from 0 to 100)");
  for (const char* text : {"", "[]", "x", "{", "{}", "a: b: c", "--- {}\n--- {}\n"}) {
    INFO(text);
    CHECK_FALSE(refusal(text).empty());
  }
}

TEST_CASE("the environment is not for faults of run time") {
  CHECK_FALSE(refusal("abort: {percent: \"${HOME}\"}").empty());
  const auto fault = load_fault("abort: {percent: 1}\nheaders: [{name: a, value: \"${HOME}\"}]\n");
  REQUIRE(fault);
  CHECK(fault.value().headers[0].value == "${HOME}");
}

}  // namespace
}  // namespace outrigger::config
