#include "proxy/http/date.h"

#include <string>

#include "tests/support/catch.h"

using outrigger::http::imf_fixdate;
using outrigger::http::parse_http_date;

namespace {

constexpr std::int64_t kNow = 1767225600;  // Thu, 01 Jan 2026 00:00:00 GMT

}  // namespace

TEST_CASE("dates are written as RFC 9110 5.6.7 says") {
  char buffer[30];
  CHECK(imf_fixdate(784111777, buffer) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(imf_fixdate(0, buffer) == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(imf_fixdate(1709164800, buffer) == "Thu, 29 Feb 2024 00:00:00 GMT");
  CHECK(imf_fixdate(4102444799, buffer) == "Thu, 31 Dec 2099 23:59:59 GMT");
}

TEST_CASE("dates are read in each of the three forms") {
  CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777);
  CHECK(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", kNow) == 784111777);
  CHECK(parse_http_date("Sun Nov  6 08:49:37 1994") == 784111777);
  CHECK(parse_http_date("Wed Nov 16 08:49:37 1994") == 784975777);
  CHECK(parse_http_date("Thu, 01 Jan 1970 00:00:00 GMT") == 0);
  CHECK(parse_http_date("Thu, 29 Feb 2024 00:00:00 GMT") == 1709164800);
  CHECK(parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT") == 1483228800);  // a leap second
  CHECK(parse_http_date("Fri, 31 Dec 9999 23:59:59 GMT") == 253402300799);
  CHECK(parse_http_date("Mon, 06 Nov 1994 08:49:37 GMT") == 784111777);  // it was a Sunday
}

TEST_CASE("years of two digits lie at most 50 years ahead") {
  const auto year_of = [](std::string_view two_digits, std::int64_t now) {
    const auto text = "Sunday, 01-Jan-" + std::string(two_digits) + " 00:00:00 GMT";
    const auto at = parse_http_date(text, now);
    REQUIRE(at);
    char buffer[30];
    return std::string(imf_fixdate(static_cast<std::time_t>(*at), buffer).substr(12, 4));
  };
  CHECK(year_of("26", kNow) == "2026");
  CHECK(year_of("27", kNow) == "2027");
  CHECK(year_of("75", kNow) == "2075");
  CHECK(year_of("76", kNow) == "2076");
  CHECK(year_of("77", kNow) == "1977");
  CHECK(year_of("99", kNow) == "1999");
  CHECK(year_of("00", kNow) == "2000");
  CHECK(parse_http_date("Friday, 31-Dec-76 00:00:00 GMT", kNow) == 220838400);  // 1976: 2076 is 51
  CHECK(year_of("50", 4070908800) == "2050");                                   // from 2099
  CHECK(year_of("49", 4070908800) == "2149");
}

TEST_CASE("what is no HTTP-date is refused") {
  for (const char* text : {
           "",
           "0",
           "120",
           "Sun, 06 Nov 1994 08:49:37",         // no GMT
           "Sun, 06 Nov 1994 08:49:37 UTC",     //
           "Sun, 06 Nov 1994 08:49:37 +0000",   //
           "Sun, 06 Nov 1994 08:49:37 GMT ",    // something after it
           " Sun, 06 Nov 1994 08:49:37 GMT",    //
           "Sun, 6 Nov 1994 08:49:37 GMT",      // one digit
           "Sun, 06  Nov 1994 08:49:37 GMT",    //
           "Sun, 00 Nov 1994 08:49:37 GMT",     // no such day
           "Sun, 31 Nov 1994 08:49:37 GMT",     //
           "Wed, 29 Feb 2023 08:49:37 GMT",     //
           "Sun, 06 nov 1994 08:49:37 GMT",     // case counts
           "sun, 06 Nov 1994 08:49:37 GMT",     //
           "Xyz, 06 Nov 1994 08:49:37 GMT",     //
           "Sun, 06 Nov 1994 24:00:00 GMT",     // no such time
           "Sun, 06 Nov 1994 08:60:00 GMT",     //
           "Sun, 06 Nov 1994 08:49:61 GMT",     //
           "Sun, 06 Nov 1994 08:49 GMT",        //
           "Sun, 06 Nov -994 08:49:37 GMT",     //
           "Sun, 06 Nov 19940 08:49:37 GMT",    //
           "Sun, 06-Nov-94 08:49:37 GMT",       // RFC 850 spells the day out
           "Sunday, 06-Nov-1994 08:49:37 GMT",  //
           "Sunday, 06 Nov 1994 08:49:37 GMT",  //
           "Sun Nov 6 08:49:37 1994",           // asctime pads with a space
           "Sun Nov  6 08:49:37 1994 GMT",      //
           "Sun Nov 31 08:49:37 1994",          //
           "1994-11-06T08:49:37Z",              //
       }) {
    INFO(text);
    CHECK_FALSE(parse_http_date(text, kNow));
  }
}
