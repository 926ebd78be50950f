#include "config/quantity.h"

#include "tests/support/catch.h"

namespace outrigger::config {
namespace {

using namespace std::chrono_literals;

std::string duration_hint(std::string_view text) {
  const auto parsed = parse_duration(text);
  return parsed ? "parsed" : parsed.error();
}

TEST_CASE("a duration is a decimal number and a unit, or 0") {
  CHECK(parse_duration("250ms").value() == 250ms);
  CHECK(parse_duration("1.5s").value() == 1500ms);
  CHECK(parse_duration("0.5ms").value() == 500us);
  CHECK(parse_duration("10m").value() == 10min);
  CHECK(parse_duration("2h").value() == 2h);
  CHECK(parse_duration("30d").value() == 720h);
  CHECK(parse_duration("0").value() == 0ns);
  CHECK(parse_duration("0s").value() == 0ns);
}

TEST_CASE("what is no duration says why where that helps") {
  CHECK(duration_hint("15") == "a number needs a unit: ms, s, m, h or d");
  CHECK(duration_hint("15x") == "the units are ms, s, m, h and d");
  CHECK(duration_hint("5 s") == "the units are ms, s, m, h and d");
  CHECK(duration_hint("05s") == "a leading zero is not allowed");
  CHECK(duration_hint("400d") == "that is too long");
  CHECK(duration_hint("99999999999999999999999d") == "that is too long");
  for (const char* text : {"", "s", "-1s", "+1s", ".5s", "abc"}) CHECK(duration_hint(text).empty());
}

TEST_CASE("whole numbers are decimal, without sign, exponent or leading zero") {
  CHECK(parse_whole("0").value() == 0);
  CHECK(parse_whole("18446744073709551615").value() == UINT64_MAX);
  for (const char* text : {"", "-1", "+1", "1e3", "0x10", "1_000", "1.0", " 1"}) {
    CHECK_FALSE(parse_whole(text));
  }
  CHECK(parse_whole("010").error() == "a leading zero is not allowed");
  CHECK(parse_whole("18446744073709551616").error() == "the number is too large");
}

TEST_CASE("decimal numbers likewise") {
  CHECK(parse_decimal("0.5").value() == 0.5);
  CHECK(parse_decimal("20").value() == 20);
  for (const char* text : {"", ".5", "5.", "1e3", "-1", "nan", "inf", "00.5"}) {
    CHECK_FALSE(parse_decimal(text));
  }
}

TEST_CASE("a size is in bytes or has a binary unit") {
  CHECK(parse_size("100").value() == 100);
  CHECK(parse_size("64KiB").value() == 65536);
  CHECK(parse_size("1.5MiB").value() == 1572864);
  CHECK(parse_size("2GiB").value() == 2147483648);
  CHECK(parse_size("64KB").error() == "the units are KiB, MiB and GiB; none means bytes");
  CHECK(parse_size("0.3KiB").error() == "that is not a whole number of bytes");
  CHECK(parse_size("99999999999999GiB").error() == "the number is too large");
  CHECK(parse_size("9000000000000000000").value() == 9'000'000'000'000'000'000);
  CHECK(parse_size("9000000000000000001").error() == "the number is too large");
}

TEST_CASE("what is shown parses to the same value") {
  for (const auto duration :
       {std::chrono::nanoseconds{0}, std::chrono::nanoseconds{1}, std::chrono::nanoseconds{250ms},
        std::chrono::nanoseconds{1500ms}, std::chrono::nanoseconds{90s},
        std::chrono::nanoseconds{300s}, std::chrono::nanoseconds{10min},
        std::chrono::nanoseconds{1h}, std::chrono::nanoseconds{720h}, kMaxDuration - 1ns,
        std::chrono::nanoseconds{1}}) {
    CHECK(parse_duration(duration_text(duration)).value() == duration);
  }
  for (const double number : {0.0, 12.5, 1e-3, 1e84, 1.7976931348623157e308, 5e-324}) {
    CHECK(parse_decimal(decimal_text(number)).value() == number);
  }
  for (const std::uint64_t size : {0ULL, 1ULL, 1023ULL, 65536ULL, 1ULL << 40}) {
    CHECK(parse_size(size_text(size)).value() == size);
  }
  CHECK(duration_text(300s) == "300s");
  CHECK(duration_text(10min) == "10m");
  CHECK(duration_text(1500ms) == "1500ms");
  CHECK(duration_text(2500us) == "2.5ms");
  CHECK(size_text(65536) == "64KiB");
}

}  // namespace
}  // namespace outrigger::config
