#include "proxy/upstream/health_probe.h"

#include "tests/support/catch.h"

namespace outrigger::upstream {
namespace {

std::string request_of(const config::HttpHealthCheck& settings, const std::string& endpoint) {
  return health_request(settings, net::Address::parse(endpoint).value());
}

TEST_CASE("a check asks by GET and says who asks") {
  CHECK(request_of({}, "10.0.0.1:8080") ==
        "GET /healthz HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: outrigger-health-check\r\n"
        "Connection: close\r\n\r\n");
}

TEST_CASE("path, host and headers of a check are the user's") {
  config::HttpHealthCheck settings{.path = "/ready?deep=1", .host = "pay.internal"};
  settings.headers = {{"X-Probe", "yes"}, {"user-agent", "mine"}};
  CHECK(request_of(settings, "pay:80") ==
        "GET /ready?deep=1 HTTP/1.1\r\nHost: pay.internal\r\nUser-Agent: mine\r\n"
        "X-Probe: yes\r\nConnection: close\r\n\r\n");
}

TEST_CASE("a check of a Unix socket names localhost, one of IPv6 has its brackets") {
  CHECK(request_of({}, "unix:/run/app.sock").find("\r\nHost: localhost\r\n") != std::string::npos);
  CHECK(request_of({}, "[::1]:80").find("\r\nHost: [::1]:80\r\n") != std::string::npos);
}

}  // namespace
}  // namespace outrigger::upstream
