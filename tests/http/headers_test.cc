#include "proxy/http/headers.h"

#include "proxy/http/message.h"
#include "tests/support/allocations.h"
#include "tests/support/catch.h"

using namespace outrigger::http;

TEST_CASE("fields the proxy acts on are known by name, without case") {
  struct Case {
    const char* name;
    Field id;
  };
  for (const auto& each : {Case{"TE", Field::Te},
                           Case{"via", Field::Via},
                           Case{"Date", Field::Date},
                           Case{"hOsT", Field::Host},
                           Case{"Proxy", Field::Proxy},
                           Case{"Expect", Field::Expect},
                           Case{"Trailer", Field::Trailer},
                           Case{"Upgrade", Field::Upgrade},
                           Case{"CONNECTION", Field::Connection},
                           Case{"Keep-Alive", Field::KeepAlive},
                           Case{"Retry-After", Field::RetryAfter},
                           Case{"Content-Type", Field::ContentType},
                           Case{"grpc-timeout", Field::GrpcTimeout},
                           Case{"Max-Forwards", Field::MaxForwards},
                           Case{"X-Request-ID", Field::XRequestId},
                           Case{"Authorization", Field::Authorization},
                           Case{"content-length", Field::ContentLength},
                           Case{"X-Forwarded-For", Field::XForwardedFor},
                           Case{"X-Forwarded-Host", Field::XForwardedHost},
                           Case{"Proxy-Connection", Field::ProxyConnection},
                           Case{"Transfer-Encoding", Field::TransferEncoding},
                           Case{"X-Forwarded-Proto", Field::XForwardedProto},
                           Case{"x-outrigger-retry", Field::XOutriggerRetry},
                           Case{"Proxy-Authenticate", Field::ProxyAuthenticate},
                           Case{"X-Outrigger-Attempt", Field::XOutriggerAttempt},
                           Case{"Proxy-Authorization", Field::ProxyAuthorization},
                           Case{"X-Request-Timeout-Ms", Field::XRequestTimeoutMs},
                           Case{"", Field::Other},
                           Case{"Hosts", Field::Other},
                           Case{"Hos", Field::Other},
                           Case{"Hast", Field::Other},
                           Case{"Content_Length", Field::Other},
                           Case{"Content\rLength", Field::Other},
                           Case{"A-Name-Longer-Than-All-Of-Them", Field::Other}}) {
    INFO(each.name);
    CHECK(field_id(each.name) == each.id);
  }
}

TEST_CASE("comparison without case is of letters only") {
  CHECK(equals_ignore_case("aZ-9", "Az-9"));
  CHECK_FALSE(equals_ignore_case("a", "ab"));
  CHECK_FALSE(equals_ignore_case("@", "`"));
  CHECK_FALSE(equals_ignore_case("[", "{"));
  CHECK_FALSE(equals_ignore_case("-", "\r"));
}

TEST_CASE("fields keep their order and number, and the first is found") {
  Headers headers;
  headers.add("Via", "1");
  headers.add("X", "2");
  headers.add("via", "3");
  headers.add("x", "4");
  CHECK(headers.size() == 4);
  CHECK(headers.all()[2].name == "via");
  CHECK(headers.value_of(Field::Via) == "1");
  CHECK(headers.find("x")->value == "2");
  CHECK(headers.has(Field::Via));
  CHECK_FALSE(headers.has(Field::Host));
  CHECK(headers.find(Field::Host) == nullptr);
  CHECK(headers.find("y") == nullptr);
  CHECK(headers.value_of(Field::Host).empty());
}

TEST_CASE("a head is as new after clear(), but for its memory") {
  RequestHead head;
  head.method = "GET";
  head.framing = Framing::Length;
  head.content_length = 7;
  head.keep_alive = false;
  for (int i = 0; i < 20; ++i) head.headers.add("Host", "a");
  const auto before = outrigger::test::allocations();
  head.clear();
  CHECK(head.method.empty());
  CHECK(head.framing == Framing::None);
  CHECK(head.content_length == 0);
  CHECK(head.keep_alive);
  CHECK(head.headers.size() == 0);
  CHECK_FALSE(head.headers.has(Field::Host));
  for (int i = 0; i < 20; ++i) head.headers.add("Host", "a");
  CHECK(outrigger::test::allocations() == before);

  ResponseHead response;
  response.status = 200;
  response.headers.add("A", "b");
  response.clear();
  CHECK(response.status == 0);
  CHECK(response.headers.size() == 0);
}
