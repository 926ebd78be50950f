#include "proxy/exchange/redirect.h"

#include "tests/support/catch.h"

namespace outrigger::exchange {
namespace {

using config::Redirect;

http::RequestHead request(std::string_view host, std::string_view target) {
  http::RequestHead head;
  head.authority = host;
  head.target = target;
  head.path = target.substr(0, target.find('?'));
  return head;
}

std::string location(const Redirect& redirect, std::string_view host, std::string_view target) {
  std::string out = "what was there before";
  write_location(redirect, request(host, target), out);
  return out;
}

TEST_CASE("a redirect replaces what it names and keeps the rest of the request") {
  const auto to = [](const Redirect& redirect) {
    return location(redirect, "a.b:8080", "/c/d?e=f%20g");
  };
  CHECK(to({.scheme = "https"}) == "https://a.b:8080/c/d?e=f%20g");
  CHECK(to({.host = "x.y"}) == "http://x.y/c/d?e=f%20g");
  CHECK(to({.host = "x.y:81"}) == "http://x.y:81/c/d?e=f%20g");
  CHECK(to({.path = "/new"}) == "http://a.b:8080/new?e=f%20g");
  CHECK(to({.scheme = "https", .host = "x.y", .path = "/"}) == "https://x.y/?e=f%20g");
}

TEST_CASE("the port that belongs to http does not follow to https") {
  CHECK(location({.scheme = "https"}, "a.b:80", "/c") == "https://a.b/c");
  CHECK(location({.scheme = "https"}, "[::1]:80", "/c") == "https://[::1]/c");
  CHECK(location({.scheme = "https"}, "a.b:8080", "/c") == "https://a.b:8080/c");
  CHECK(location({.scheme = "http", .path = "/x"}, "a.b:80", "/c") == "http://a.b:80/x");
  CHECK(location({.scheme = "https", .host = "x.y:80"}, "a.b:80", "/c") == "https://x.y:80/c");
}

TEST_CASE("a request without a host is redirected within it") {
  CHECK(location({.path = "/new"}, "", "/old") == "/new");
  CHECK(location({.scheme = "https"}, "", "/old?q") == "/old?q");
  CHECK(location({.host = "x.y"}, "", "/old") == "http://x.y/old");
}

TEST_CASE("the target * has no path to keep") {
  CHECK(location({.host = "x.y"}, "a.b", "*") == "http://x.y/");
}

}  // namespace
}  // namespace outrigger::exchange
