#include "config/validate.h"

#include "tests/config/loading.h"
#include "tests/support/catch.h"

namespace outrigger::config {
namespace {

// Two routes of one listener, by their matches.
std::string two_routes(const std::string& a, const std::string& b) {
  return "listeners:\n"
         "  - address: 127.0.0.1:8080\n"
         "    routes:\n"
         "      - {name: a, respond: {}, match: " +
         a +
         "}\n"
         "      - {name: b, respond: {}, match: " +
         b + "}\n";
}
bool told_apart(const std::string& a, const std::string& b) {
  const std::string errors = errors_of(two_routes(a, b));
  if (errors.empty()) return true;
  CHECK(errors ==
        "f.yaml:5:39: listeners[0].routes[1].match: matches the same requests as "
        "listeners[0].routes[0], so that one of the two is never used\n");
  return false;
}

TEST_CASE("two routes that can never be told apart are an error") {
  CHECK_FALSE(told_apart("{}", "{}"));
  CHECK_FALSE(told_apart("{path: /a}", "{path: /a}"));
  CHECK_FALSE(told_apart("{path: /~a}", "{path: '/%7ea'}"));
  CHECK_FALSE(told_apart("{path_prefix: /a}", "{path_prefix: /a/}"));
  CHECK_FALSE(told_apart("{hosts: [a, B]}", "{hosts: [b, a, a]}"));
  CHECK_FALSE(told_apart("{methods: [GET, PUT]}", "{methods: [PUT, GET]}"));
  CHECK_FALSE(told_apart("{headers: [{name: A, value: b}]}", "{headers: [{name: a, value: b}]}"));
}

TEST_CASE("routes that some request tells apart are not") {
  CHECK(told_apart("{}", "{path_prefix: /}"));
  CHECK(told_apart("{path: /a}", "{path_prefix: /a}"));
  CHECK(told_apart("{path: /a}", "{path: /a/}"));
  CHECK(told_apart("{path: '/a%2Fb'}", "{path: /a/b}"));
  CHECK(told_apart("{hosts: [a]}", "{hosts: [a, b]}"));
  CHECK(told_apart("{methods: [GET]}", "{methods: [GET, PUT]}"));
  CHECK(told_apart("{headers: [{name: a, value: b}]}", "{headers: [{name: a, value: B}]}"));
  CHECK(told_apart("{headers: [{name: a, present: true}]}",
                   "{headers: [{name: a, present: false}]}"));
}

TEST_CASE("references must lead somewhere") {
  CHECK(errors_of(with_top("ready: {upstreams: [app, ap]}\n")) ==
        "f.yaml:3:26: ready.upstreams[1]: there is no upstream 'ap' (did you mean 'app'?)\n");
  CHECK(errors_of("listeners: [{address: '127.0.0.1:1', routes: [{upstream: a}]}]\n") ==
        "f.yaml:1:58: listeners[0].routes[0].upstream: there is no upstream 'a' (there are "
        "none)\n");
}

TEST_CASE("an upstream that nothing uses is no error") {
  CHECK(errors_of("listeners: [{address: '127.0.0.1:1', routes: [{respond: {}}]}]\n"
                  "upstreams: {a: {endpoints: ['b:1']}}\n")
            .empty());
}

TEST_CASE("names and addresses are used once") {
  CHECK(errors_of("listeners:\n"
                  "  - {name: a, address: '127.0.0.1:1', routes: [{respond: {}}]}\n"
                  "  - {name: a, address: '127.0.0.1:1', routes: [{name: b, respond: {}}]}\n"
                  "  - {name: b, address: '127.0.0.1:0', routes: [{respond: {}}]}\n"
                  "  - {name: c, address: '127.0.0.1:0', routes: [{respond: {}}]}\n") ==
        "f.yaml:3:12: listeners[1].name: the name 'a' is already that of listeners[0].name\n"
        "f.yaml:3:24: listeners[1].address: the address '127.0.0.1:1' is already that of "
        "listeners[0].address\n"
        "f.yaml:4:48: listeners[2].routes[0].name: the name 'b' is already that of "
        "listeners[1].routes[0].name\n");
  CHECK(errors_of(with_top("metrics: {address: '127.0.0.1:9901'}\n")) ==
        "f.yaml:3:20: metrics.address: the address '127.0.0.1:9901' is already that of "
        "admin.address\n");
  CHECK(errors_of("listeners: [{address: '127.0.0.1:1', routes: [{upstream: a}]}]\n"
                  "upstreams: {a: {endpoints: ['b:1', 'b:1']}}\n") ==
        "f.yaml:2:36: upstreams.a.endpoints[1]: the address 'b:1' is already that of "
        "upstreams.a.endpoints[0]\n");
}

TEST_CASE("routes beside others need a name") {
  CHECK(errors_of("listeners:\n"
                  "  - address: 127.0.0.1:1\n"
                  "    routes:\n"
                  "      - {name: a, respond: {}}\n"
                  "      - {respond: {}, match: {path: /a}}\n") ==
        "f.yaml:5:9: listeners[0].routes[1].name: missing (required where a listener has more "
        "than one route)\n");
}

TEST_CASE("a direction is required where others can connect") {
  const auto errors = [](const std::string& address) {
    return errors_of("listeners: [{address: '" + address + "', routes: [{respond: {}}]}]\n");
  };
  for (const char* address : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "unix:/a"}) {
    CHECK(errors(address).empty());
  }
  for (const char* address : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "128.0.0.1:1"}) {
    CHECK(errors(address) ==
          "f.yaml:1:13: listeners[0].direction: missing (expected inbound or outbound, since the "
          "address is not loopback)\n");
  }
}

TEST_CASE("an admin address that others can reach needs a token") {
  CHECK(errors_of(with_top("admin: {address: '0.0.0.0:9901'}\n")) ==
        "f.yaml:3:18: admin.address: an address that others can reach needs a token_file\n");
  CHECK(errors_of(with_top("admin: {address: '0.0.0.0:9901', token_file: /a}\n")).empty());
  CHECK(errors_of(with_top("admin: {address: 'unix:/a'}\n")).empty());
}

TEST_CASE("a route has exactly one action") {
  CHECK(errors_of(with_route("      respond: {}\n")) ==
        "f.yaml:6:7: listeners[0].routes[0].respond: only one of upstream, split, respond or "
        "redirect may "
        "be given\n");
  CHECK(errors_of("listeners: [{address: '127.0.0.1:1', routes: [{name: a}]}]\n") ==
        "f.yaml:1:47: listeners[0].routes[0]: no action (expected one of upstream, split, "
        "respond or redirect)\n");
}

TEST_CASE("pairs that contradict one another are errors") {
  struct Row {
    const char* keys;
    const char* report;
  };
  const Row rows[] = {
      {"circuit_breaker: {open_for: 20s, max_open_for: 10s}",
       "52: upstreams.app.circuit_breaker.max_open_for: 10s is shorter than open_for, 20s"},
      {"circuit_breaker: {open_for: 61s}",
       "33: upstreams.app.circuit_breaker.open_for: 61s is longer than max_open_for, 60s"},
      {"outlier_detection: {base_ejection_time: 301s}",
       "45: upstreams.app.outlier_detection.base_ejection_time: 301s is longer than "
       "max_ejection_time, 300s"},
  };
  for (const Row& row : rows) {
    CHECK(errors_of(with_upstream("    " + std::string{row.keys} + "\n")) ==
          "f.yaml:5:" + std::string{row.report} + "\n");
  }
  CHECK(errors_of(with_route("      retry: {backoff: {base: 2s, max: 1s}}\n")) ==
        "f.yaml:6:40: listeners[0].routes[0].retry.backoff.max: 1s is shorter than base, 2s\n");
  CHECK(errors_of(with_route("      retry: {backoff: {base: 2s}}\n")).empty());
}

TEST_CASE("an answer must be one that can be sent") {
  const auto errors = [](const std::string& respond) {
    return errors_of("listeners: [{address: 'unix:/a', routes: [{respond: {" + respond + "}}]}]\n");
  };
  CHECK(errors("status: 204, body: a") ==
        "f.yaml:1:73: listeners[0].routes[0].respond.body: a 204 response has no body\n");
  CHECK(errors("headers: {Content-Length: '5'}") ==
        "f.yaml:1:64: listeners[0].routes[0].respond.headers.Content-Length: this header is the "
        "proxy's own to set\n");
  CHECK(errors("headers: {a b: c}") ==
        "f.yaml:1:64: listeners[0].routes[0].respond.headers.a b: a header name cannot look like "
        "this\n");
  CHECK(errors("headers: {a: \"b\\nc\"}") ==
        "f.yaml:1:67: listeners[0].routes[0].respond.headers.a: found 'b\\nc' (expected a header "
        "value; control characters are not allowed)\n");
}

TEST_CASE("a name from the environment is not shown where it is wrong") {
  CHECK(errors_of("listeners: [{address: 'unix:/a', routes: [{upstream: '${U}'}]}]\n",
                  {{"U", "secret"}}) ==
        "f.yaml:1:54: listeners[0].routes[0].upstream: there is no upstream (from the "
        "environment) (there are none)\n");
}

}  // namespace
}  // namespace outrigger::config
