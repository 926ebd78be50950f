#include "proxy/http/date.h"

#include <string>

#include "tests/support/catch.h"

using outrigger::http::imf_fixdate;

TEST_CASE("dates are written as RFC 9110 5.6.7 says") {
  char buffer[30];
  CHECK(imf_fixdate(784111777, buffer) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(imf_fixdate(0, buffer) == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(imf_fixdate(1709164800, buffer) == "Thu, 29 Feb 2024 00:00:00 GMT");
  CHECK(imf_fixdate(4102444799, buffer) == "Thu, 31 Dec 2099 23:59:59 GMT");
}
