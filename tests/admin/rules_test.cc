#include "proxy/admin/rules.h"

#include <unistd.h>

#include "tests/support/catch.h"

namespace outrigger::admin {
namespace {

using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

http::RequestHead request(std::string_view method, std::string_view path, const Fields& fields = {},
                          std::string_view host = "127.0.0.1:9901") {
  http::RequestHead head;
  head.method = method;
  head.target = head.path = path;
  head.authority = host;
  for (const auto& [name, value] : fields) head.headers.add(name, value);
  return head;
}

const Rules open_rules(std::nullopt, {"admin.example"});
const Rules token_rules("s3cret", {});

int status_for_host(std::string_view host) {
  return open_rules.judge(request("GET", "/config", {}, host)).status;
}

constexpr std::pair<std::string_view, std::string_view> kHeader = {"X-Outrigger-Admin", "1"};
constexpr std::pair<std::string_view, std::string_view> kToken = {"Authorization", "Bearer s3cret"};

TEST_CASE("the host must be an address, this machine or one that was named") {
  char name[256] = {};
  REQUIRE(gethostname(name, sizeof(name) - 1) == 0);
  const std::string own = name;
  for (const std::string& host : std::vector<std::string>{
           "127.0.0.1", "127.0.0.1:9901", "10.1.2.3:1", "[::1]", "[::1]:9901", "[fe80::1]:65535",
           "localhost", "LocalHost:80", "localhost:", "admin.example", "ADMIN.example:443", own,
           own + ":9901"}) {
    CAPTURE(host);
    CHECK(status_for_host(host) == 200);
  }
}

TEST_CASE("any other host is refused, however it is dressed up") {
  for (const std::string_view host :
       std::initializer_list<std::string_view>{"evil.example",
                                               "evil.example:9901",
                                               "127.0.0.1.evil.example",
                                               "localhost.evil.example",
                                               "evil.localhost",
                                               "admin.example.evil",
                                               "xadmin.example",
                                               "127.0.0.1@evil.example",
                                               "127.0.0.1:9901@evil.example",
                                               "127.0.0.1:evil.example",
                                               "localhost:evil",
                                               "1.2.3",
                                               "[::1].evil.example",
                                               "[::1]evil.example",
                                               "[::1",
                                               "[127.0.0.1]",
                                               "[localhost]",
                                               "[evil.example]",
                                               "[]",
                                               "::1",
                                               ":9901",
                                               " localhost",
                                               std::string_view("127.0.0.1\0.evil.example", 23)}) {
    CAPTURE(host);
    CHECK(status_for_host(host) == 403);
  }
}

TEST_CASE("a request without a host is refused") {
  CHECK(status_for_host("") == 403);
}

TEST_CASE("the host is looked at first, also where no token is needed") {
  for (const char* path : {"/metrics", "/healthz", "/readyz", "/config", "/"}) {
    CAPTURE(path);
    CHECK(open_rules.judge(request("GET", path, {}, "evil.example")).status == 403);
    CHECK(token_rules.judge(request("GET", path, {kToken}, "evil.example")).status == 403);
  }
  CHECK(token_rules.judge(request("POST", "/quit", {kToken}, "evil.example")).status == 403);
}

TEST_CASE("with a token all but metrics and health needs it") {
  for (const char* path : {"/metrics", "/healthz", "/readyz"}) {
    CAPTURE(path);
    CHECK(token_rules.judge(request("GET", path)).status == 200);
    CHECK(token_rules.judge(request("HEAD", path)).status == 200);
    CHECK(token_rules.judge(request("POST", path)).status == 401);
  }
  for (const char* path : {"/", "/config", "/routes", "/upstreams", "/metrics/x", "/metricsx",
                           "/healthz/", "/nothing"}) {
    CAPTURE(path);
    CHECK(token_rules.judge(request("GET", path)).status == 401);
    CHECK(token_rules.judge(request("GET", path, {kToken})).status == 200);
  }
  CHECK(token_rules.judge(request("POST", "/reload", {kHeader})).status == 401);
  CHECK(token_rules.judge(request("POST", "/reload", {kToken})).status == 200);
}

TEST_CASE("only the token itself is the token") {
  for (const char* value :
       {"", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crets", "Bearer s3cres", "Bearer S3cret",
        "Bearer s3crets3cret", "Bearer  s3cret", "Basic s3cret", "s3cret", "Bearers3cret"}) {
    CAPTURE(value);
    CHECK(token_rules.judge(request("GET", "/config", {{"Authorization", value}})).status == 401);
  }
  CHECK(token_rules.judge(request("GET", "/config", {{"authorization", "bEARER s3cret"}})).status ==
        200);
}

TEST_CASE("without a token reading is open and changing needs the header") {
  CHECK(open_rules.judge(request("GET", "/config")).status == 200);
  CHECK(open_rules.judge(request("HEAD", "/config")).status == 200);
  for (const char* method : {"POST", "PUT", "DELETE"}) {
    CAPTURE(method);
    CHECK(open_rules.judge(request(method, "/drain")).status == 403);
    CHECK(open_rules.judge(request(method, "/drain", {{"X-Outrigger-Admin", "0"}})).status == 403);
    CHECK(open_rules.judge(request(method, "/drain", {{"X-Outrigger-Admin", ""}})).status == 403);
    CHECK(open_rules.judge(request(method, "/drain", {kHeader})).status == 200);
  }
}

TEST_CASE("no other method changes anything") {
  for (const char* method : {"PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "post", "BREW"}) {
    CAPTURE(method);
    CHECK(open_rules.judge(request(method, "/reload", {kHeader})).status == 405);
    CHECK(token_rules.judge(request(method, "/reload", {kToken})).status == 405);
  }
}

TEST_CASE("a page of another site may not change anything") {
  for (const char* origin :
       {"http://evil.example", "null", "", "127.0.0.1:9901", "http://127.0.0.1:9902",
        "http://127.0.0.1", "http://127.0.0.1:9901.evil.example", "://"}) {
    CAPTURE(origin);
    const std::pair<std::string_view, std::string_view> field = {"Origin", origin};
    CHECK(open_rules.judge(request("POST", "/reload", {kHeader, field})).status == 403);
    CHECK(token_rules.judge(request("POST", "/reload", {kToken, field})).status == 403);
  }
  const std::pair<std::string_view, std::string_view> own = {"Origin", "http://127.0.0.1:9901"};
  CHECK(open_rules.judge(request("POST", "/reload", {kHeader, own})).status == 200);
  const std::pair<std::string_view, std::string_view> other = {"Origin", "http://evil.example"};
  CHECK(open_rules.judge(request("POST", "/reload", {kHeader, own, other})).status == 403);
}

TEST_CASE("each refusal says what would help") {
  CHECK_FALSE(open_rules.judge(request("GET", "/", {}, "x.y")).text.empty());
  CHECK_FALSE(token_rules.judge(request("GET", "/config")).text.empty());
  CHECK_FALSE(open_rules.judge(request("PATCH", "/reload")).text.empty());
  CHECK_FALSE(open_rules.judge(request("POST", "/reload")).text.empty());
}

TEST_CASE("the metrics address may be read by anyone and changed by nobody") {
  const Rules rules = Rules::metrics_only();
  for (const char* host : {"any.host", "", "10.0.0.1:9"}) {
    CAPTURE(host);
    CHECK(rules.judge(request("GET", "/metrics", {}, host)).status == 200);
    CHECK(rules.judge(request("HEAD", "/healthz", {}, host)).status == 200);
    CHECK(rules.judge(request("POST", "/quit", {kHeader}, host)).status == 405);
    CHECK(rules.judge(request("DELETE", "/drain", {kHeader}, host)).status == 405);
  }
}

}  // namespace
}  // namespace outrigger::admin
