#include "proxy/http/hop_by_hop.h"

#include <string>

#include "tests/support/catch.h"

using namespace outrigger::http;

namespace {

// The names that are passed on.
std::string passed(const Headers& headers) {
  std::string names;
  const HopByHop hop(headers, true);
  for (const auto& field : headers.all()) {
    if (!hop.dropped(field)) names += std::string(field.name) + " ";
  }
  return names;
}

}  // namespace

TEST_CASE("fields of one hop are not passed on") {
  Headers headers;
  for (const char* name :
       {"A", "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade",
        "Proxy", "proxy", "Trailer", "Authorization", "Proxy-Authorization", "B"}) {
    headers.add(name, "x");
  }
  INFO("RFC 9110 7.6.1; Proxy is what CGI would read as HTTP_PROXY");
  CHECK(passed(headers) == "A Trailer Authorization Proxy-Authorization B ");
}

TEST_CASE("what Connection names ends here, and no more") {
  struct Case {
    const char* connection;
    const char* passed;
  };
  for (const auto& each :
       {Case{"close", "X-A X-B X-C "}, Case{"keep-alive, Upgrade, TE", "X-A X-B X-C "},
        Case{"x-a", "X-B X-C "}, Case{"close, X-A ,x-b", "X-C "}, Case{",,\tx-b\t,", "X-A X-C "},
        Case{"X-", "X-A X-B X-C "}, Case{"x-a x-b", "X-A X-B X-C "}, Case{"", "X-A X-B X-C "}}) {
    INFO("RFC 9110 7.6.1: " << each.connection);
    Headers headers;
    headers.add("X-A", "1");
    headers.add("Connection", each.connection);
    headers.add("X-B", "1");
    headers.add("X-C", "1");
    CHECK(passed(headers) == std::string(each.passed));
  }
}

TEST_CASE("several Connection lines count alike") {
  Headers headers;
  headers.add("Connection", "close");
  headers.add("X-A", "1");
  headers.add("connection", "x-a");
  headers.add("X-B", "1");
  CHECK(passed(headers) == "X-B ");
}
