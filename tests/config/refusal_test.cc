// Wrong files and the exact words for them. Rows: the file's lines, and the whole report.
#include "config/load.h"
#include "tests/config/loading.h"
#include "tests/support/catch.h"

namespace outrigger::config {
namespace {

struct Row {
  std::string text;
  std::string report;
};

void check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(errors_of(row.text) == row.report);
  }
}

Row route(const std::string& keys, const std::string& report) {
  return {with_route("      " + keys + "\n"), "f.yaml:6:" + report + "\n"};
}
Row upstream(const std::string& keys, const std::string& report) {
  return {with_upstream("    " + keys + "\n"), "f.yaml:5:" + report + "\n"};
}
Row top(const std::string& keys, const std::string& report) {
  return {with_top(keys + "\n"), "f.yaml:3:" + report + "\n"};
}

TEST_CASE("unknown keys are refused with a hint") {
  check({
      route("retry: {max_retires: 3}",
            "15: listeners[0].routes[0].retry.max_retires: unknown key (did you mean "
            "'max_retries'?)"),
      route("Retry: off", "7: listeners[0].routes[0].Retry: unknown key (did you mean 'retry'?)"),
      top("true: 1", "1: true: unknown key (some YAML tool turned 'on' into 'true')"),
      top("log: {colour: red}", "7: log.colour: unknown key (expected level or format)"),
      upstream("endpoint: []",
               "5: upstreams.app.endpoint: unknown key (did you mean "
               "'endpoints'?)"),
  });
}

TEST_CASE("wrong types are refused with what was expected") {
  const std::string number = "(expected a whole number from 0 to 10";
  const std::string retries = "listeners[0].routes[0].retry.max_retries: found ";
  check({
      route("retry: {max_retries: x}", "28: " + retries + "'x' " + number + ")"),
      route("retry: {max_retries: 11}", "28: " + retries + "'11' " + number + ")"),
      route("retry: {max_retries: -1}", "28: " + retries + "'-1' " + number + ")"),
      route("retry: {max_retries: 1.5}", "28: " + retries + "'1.5' " + number + ")"),
      route("retry: {max_retries: 010}",
            "28: " + retries + "'010' " + number + "; a leading zero is not allowed)"),
      route("retry: {max_retries: '3'}",
            "28: " + retries + "the text '3' " + number + "; remove the quotes)"),
      route("retry: {max_retries: [3]}", "28: " + retries + "a list " + number + ")"),
      route("retry: {max_retries: {}}", "28: " + retries + "a map " + number + ")"),
      route("retry: {max_retries: }", "15: " + retries + "nothing " + number + ")"),
      route("retry: {max_retries: true}", "28: " + retries + "'true' " + number + ")"),
      route("retry: on",
            "14: listeners[0].routes[0].retry: found 'on' (expected a map of keys, "
            "or off)"),
      route("retry: []",
            "14: listeners[0].routes[0].retry: found a list (expected a map of keys, "
            "or off)"),
      route("timeouts: off",
            "17: listeners[0].routes[0].timeouts: found 'off' (expected a map of "
            "keys)"),
      route("retry: {methods: GET}",
            "24: listeners[0].routes[0].retry.methods: found 'GET' (expected a list, each item a "
            "method in capitals)"),
      route("retry: {methods: [get]}",
            "25: listeners[0].routes[0].retry.methods[0]: found 'get' (expected a method in "
            "capitals; did you mean 'GET'?)"),
      route("retry: {other_endpoint: 'true'}",
            "31: listeners[0].routes[0].retry.other_endpoint: found 'true' (expected true or "
            "false; remove the quotes)"),
      route("retry: {nested: supress}",
            "23: listeners[0].routes[0].retry.nested: found 'supress' (expected suppress or allow; "
            "did you mean 'suppress'?)"),
      top("node: {id: 5}",
          "12: node.id: found '5' (expected text; it reads as a number: put it in "
          "quotes)"),
      top("node: {id: 010}",
          "12: node.id: found '010' (expected text; it reads as a number: put it "
          "in quotes)"),
      top("node: {id: true}",
          "12: node.id: found 'true' (expected text; it reads as a boolean: "
          "put it in quotes)"),
      top("admin: {address: 23080}",
          "18: admin.address: found '23080' (expected IP:PORT, [IPV6]:PORT or unix:/PATH; the host "
          "before the port is missing)"),
      route("retry: no",
            "14: listeners[0].routes[0].retry: found 'no' (expected a map of keys, or off; did you "
            "mean 'off'?)"),
      route("hedge: Off",
            "14: listeners[0].routes[0].hedge: found 'Off' (expected a map of keys, or off; did "
            "you mean 'off'?)"),
      route("timeouts: {per_try: False}",
            "27: listeners[0].routes[0].timeouts.per_try: found 'False' (expected a duration from "
            "1ms to 24h, or off; did you mean 'off'?)"),
      route(
          "circuit_breaker: {consecutive_failures: 0}",
          "47: listeners[0].routes[0].circuit_breaker.consecutive_failures: found '0' (expected a "
          "whole number from 1 to 1000000, or a map of keys, or off)"),
      top("node: {id: }", "8: node.id: found nothing (expected text)"),
      {"[]\n", "f.yaml:1:1: found a list (expected a map of keys)\n"},
      {"a\n", "f.yaml:1:1: found 'a' (expected a map of keys)\n"},
  });
}

TEST_CASE("quantities need their units and ranges") {
  const std::string request = "27: listeners[0].routes[0].timeouts.request: found ";
  const std::string expected = "(expected a duration from 1ms to 24h, or off";
  check({
      route("timeouts: {request: 15}",
            request + "'15' " + expected + "; a number needs a unit: ms, s, m, h or d)"),
      route("timeouts: {request: 15sec}",
            request + "'15sec' " + expected + "; the units are ms, s, m, h and d)"),
      route("timeouts: {request: 0}", request + "'0' " + expected + ")"),
      route("timeouts: {request: 25h}", request + "'25h' " + expected + ")"),
      route("timeouts: {request: on}", request + "'on' " + expected + ")"),
      route("limits: {max_body_bytes: 5MB}",
            "32: listeners[0].routes[0].limits.max_body_bytes: found '5MB' (expected a size in "
            "bytes, KiB, MiB or GiB from 0 to 1024GiB, or off; the units are KiB, MiB and GiB; "
            "none means bytes)"),
      route("retry: {max_body_bytes: '5'}",
            "31: listeners[0].routes[0].retry.max_body_bytes: found the text '5' (expected a size "
            "in bytes, KiB, MiB or GiB from 0 to 64MiB; remove the quotes)"),
      upstream("retry_budget: {percent: 101}",
               "29: upstreams.app.retry_budget.percent: found '101' (expected a number from 0 to "
               "100)"),
      upstream("retry_budget: {percent: '20'}",
               "29: upstreams.app.retry_budget.percent: found the text '20' (expected a number "
               "from 0 to 100; remove the quotes)"),
  });
}

TEST_CASE("texts must have their form") {
  const std::string match = "listeners[0].routes[0].match.";
  const auto endpoint = [&](const std::string& text, const std::string& hint) {
    return Row{with_upstream("").replace(with_upstream("").find("127.0.0.1:1'"), 11, text),
               "f.yaml:4:17: upstreams.app.endpoints[0]: found '" + text +
                   "' (expected HOST:PORT, [IPV6]:PORT or unix:/PATH, or a map of keys; " + hint +
                   ")\n"};
  };
  check({
      route("match: {path: a}", "21: " + match +
                                    "path: found 'a' (expected a path that begins "
                                    "with /)"),
      route("match: {path: '/a?b'}", "21: " + match +
                                         "path: found '/a?b' (expected a path that "
                                         "begins with /; without a query or fragment)"),
      route("match: {path: /, path_prefix: /}",
            "24: " + match +
                "path_prefix: only one of path, path_prefix and path_regex may be "
                "given"),
      route("match: {path_regex: '('}",
            "27: " + match +
                "path_regex: found '(' (expected an RE2 regular expression; missing "
                "): ()"),
      route("match: {hosts: ['*']}",
            "23: " + match +
                "hosts[0]: found '*' (expected a host, or *.suffix; leave 'hosts' out "
                "to match any host)"),
      route("match: {hosts: ['a:80']}",
            "23: " + match +
                "hosts[0]: found 'a:80' (expected a host, or *.suffix; without the "
                "port, which is ignored)"),
      route("match: {headers: [{name: a b, value: c}]}",
            "32: " + match + "headers[0].name: found 'a b' (expected a header name)"),
      route("match: {headers: [{name: a}]}",
            "25: " + match +
                "headers[0]: no condition (expected one of value, prefix, regex and "
                "present)"),
      route("match: {headers: [{name: a, value: b, prefix: c}]}",
            "25: " + match +
                "headers[0]: several conditions (expected one of value, prefix, regex "
                "and present)"),
      route("match: {headers: [{value: b}]}",
            "25: " + match + "headers[0].name: missing (expected a header name)"),
      route("retry: {retry_on: [resett]}",
            "26: listeners[0].routes[0].retry.retry_on[0]: found 'resett' (expected a status from "
            "100 to 599, connect-failure, refused-stream, reset-before-request, stale-connection, "
            "refused-elsewhere, reset, gateway-error, per-try-timeout, 5xx, retriable-4xx, "
            "rate-limited or default; did you mean 'reset'?)"),
      endpoint("10.0.0.1", "the port is missing"),
      endpoint("10.0.0.1:0", "the port is a number from 1 to 65535"),
      endpoint("10.0.0.1:65536", "the port is a number up to 65535"),
      endpoint("10.0.0.256:80", "that is no host name or IPv4 address"),
      endpoint("10.0.0.1.:80", "that is no host name or IPv4 address"),
      endpoint("http://a:80", "without a scheme"),
      endpoint("::1:80", "IPv6 addresses stand in brackets"),
      endpoint("[::g]:80", "what stands in the brackets is no IPv6 address"),
      endpoint("unix:a", "the path of a Unix socket begins with '/'"),
      top("admin: {address: '::1:80'}",
          "18: admin.address: found '::1:80' (expected IP:PORT, [IPV6]:PORT or unix:/PATH; IPv6 "
          "addresses stand in brackets)"),
      top("admin: {address: '127.0.0.1:99999'}",
          "18: admin.address: found '127.0.0.1:99999' (expected IP:PORT, [IPV6]:PORT or "
          "unix:/PATH; the port is a number up to 65535)"),
      route("match: {path: '/%6'}", "21: " + match +
                                        "path: found '/%6' (expected a path that begins with /; "
                                        "two hex digits follow a %; %25 is a % itself)"),
      top("admin: {address: 'host:80'}",
          "18: admin.address: found 'host:80' (expected IP:PORT, [IPV6]:PORT or unix:/PATH; an "
          "address of this machine, not a name)"),
      top("admin: {address: 'unix:/" + std::string(107, 'a') + "'}",
          "18: admin.address: found 'unix:/" + std::string(54, 'a') +
              "…' (expected IP:PORT, [IPV6]:PORT or unix:/PATH; the path of a Unix socket has at "
              "most 107 bytes)"),
  });
}

TEST_CASE("an access log that cannot be written is refused") {
  check({
      top("access_log: {path: ''}", "20: access_log.path: found '' (expected the path of a file)"),
      top("access_log: {path: \"a\\nb\"}",
          "20: access_log.path: found 'a\\nb' (expected the path of a file)"),
      top("access_log: {only: fast}",
          "20: access_log.only: found 'fast' (expected all, errors, slow or notable)"),
      top("access_log: {slow: 0}",
          "20: access_log.slow: found '0' (expected a duration from 1ms to 24h)"),
      top("access_log: {sample_percent: 101}",
          "30: access_log.sample_percent: found '101' (expected a number from 0 to 100)"),
      top("access_log: on", "13: access_log: found 'on' (expected a map of keys, or off)"),
  });
}

TEST_CASE("several errors of one file come in one report, by line") {
  CHECK(errors_of("log: {level: loud}\n"
                  "nodes: {}\n"
                  "listeners:\n"
                  "  - address: 127.0.0.1:8080\n"
                  "    timeouts: {head: 5}\n"
                  "    timeouts: {}\n"
                  "    routes:\n"
                  "      - upstream: pay\n"
                  "        slo: {latency: {}}\n"
                  "upstreams:\n"
                  "  payments:\n"
                  "    endpoints: []\n"
                  "    limits: {max_requests: 0}\n") ==
        "f.yaml:1:14: log.level: found 'loud' (expected trace, debug, info, warn or error)\n"
        "f.yaml:2:1: nodes: unknown key (did you mean 'node'?)\n"
        "f.yaml:5:22: listeners[0].timeouts.head: found '5' (expected a duration from 1ms to 24h; "
        "a number needs a unit: ms, s, m, h or d)\n"
        "f.yaml:6:5: listeners[0].timeouts: duplicate key (first on line 5)\n"
        "f.yaml:8:19: listeners[0].routes[0].upstream: there is no upstream 'pay' (expected "
        "payments)\n"
        "f.yaml:9:9: listeners[0].routes[0].slo: is not supported by this version\n"
        "f.yaml:12:16: upstreams.payments.endpoints: empty (expected at least one endpoint)\n"
        "f.yaml:13:28: upstreams.payments.limits.max_requests: found '0' (expected a whole number "
        "from 1 to 1000000)\n");
}

TEST_CASE("hostile shapes are refused in one line") {
  std::string nest;
  for (int i = 0; i < 100; ++i) nest += "{a: ";
  CHECK(errors_of("listeners: " + nest) == "f.yaml:1:264: nested more than 64 deep\n");
  CHECK(errors_of(std::string(5 << 20, ' ')) == "f.yaml: the file is larger than 4 MiB\n");
  CHECK(errors_of(",") == "f.yaml:1:1: text after the end of the document (expected one)\n");
  CHECK(errors_of("version: 1\n---\nversion: 1\n") ==
        "f.yaml:2:1: text after the end of the document (expected one)\n");
}

TEST_CASE("a hopeless file gives a thousand errors, how many more there are, and ends") {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "key" + std::to_string(i) + ": 1\n";
  const auto result = load_text(text, "f.yaml", {});
  REQUIRE_FALSE(result);
  CHECK(result.error().size() == Diagnostics::kMaxDiagnostics + 1);
}

TEST_CASE("an empty file lacks its listeners") {
  for (const char* text : {"", "---\n", "{}\n", "# nothing\n"}) {
    CHECK(errors_of(text) == "f.yaml:1:1: listeners: missing (expected a list of listeners)\n");
  }
}

TEST_CASE("what a later version will know is refused by name") {
  const std::string no = ": is not supported by this version\n";
  const auto refused = [&](const std::string& text, const std::string& path) {
    INFO(path);
    const std::string report = errors_of(text);
    CHECK(report.find(" " + path + no) != std::string::npos);
    CHECK(report.find('\n') == report.size() - 1);
  };
  for (const std::string key : {"slo", "spool"}) {
    refused(with_route("      " + key + ": {}\n"), "listeners[0].routes[0]." + key);
  }
  for (const std::string key : {"tls", "discovery"}) {
    refused(with_upstream("    " + key + ": {}\n"), "upstreams.app." + key);
  }
  for (const std::string protocol : {"http2", "auto"}) {
    refused(with_upstream("    protocol: " + protocol + "\n"), "upstreams.app.protocol");
  }
  refused(with_upstream("    health_check: {tcp: {}, grpc: {}}\n"),
          "upstreams.app.health_check.grpc");
  for (const std::string key : {"tracing", "spool", "tls"}) {
    refused(with_top(key + ": {}\n"), key);
  }
  refused(with_top("metrics: {buckets: [1, 2]}\n"), "metrics.buckets");
  const auto listener = [](const std::string& keys) {
    return "listeners: [{address: '127.0.0.1:1', routes: [{respond: {}}], " + keys + "}]\n";
  };
  refused(listener("protocol: tcp"), "listeners[0].protocol");
  refused(listener("tls: {}"), "listeners[0].tls");
}

TEST_CASE("what the policies cannot mean is refused") {
  const auto route = [](const std::string& keys, const std::string& message) {
    CHECK(errors_of(with_route("      " + keys + "\n")) == "f.yaml:6:" + message + "\n");
  };
  const auto app = [](const std::string& keys, const std::string& message) {
    CHECK(errors_of(with_upstream("    " + keys + "\n")) == "f.yaml:5:" + message + "\n");
  };
  const std::string at = ": listeners[0].routes[0].";
  route("hedge: {after: p30}", "22" + at +
                                   "hedge.after: found 'p30' (expected a duration from 1ms to 1h, "
                                   "or p50 to p99)");
  route("fallback: {}", "17" + at + "fallback: expected one of respond or upstream");
  route("fallback: {upstream: nope}",
        "28" + at + "fallback.upstream: there is no upstream 'nope' (expected app)");
  route("mirror: {upstream: nope}",
        "26" + at + "mirror.upstream: there is no upstream 'nope' (expected app)");
  route("fault: {}", "14" + at + "fault: no fault (expected delay or abort)");
  route("fault: {abort: {percent: 1}, until: tomorrow}",
        "43" + at + "fault.until: found 'tomorrow' (expected a time such as 2026-01-31T18:00:00Z)");
  route("fault: {abort: {percent: 1}, until: 2026-02-30T00:00:00Z}",
        "43" + at +
            "fault.until: found '2026-02-30T00:00:00Z' (expected a time such as "
            "2026-01-31T18:00:00Z; there is no such time)");
  route("rate_limit: {per: 1s}",
        "19" + at + "rate_limit.requests: missing (expected a whole number from 1 to 1000000000)");
  route("request_headers: {set: {Host: a}}",
        "31" + at + "request_headers.set.Host: rewrite.host changes the Host header");
  route("request_headers: {remove: [Content-Length]}",
        "34" + at + "request_headers.remove[0]: this header is the proxy's own to set");
  route("response_headers: {add: {a: '%{requestid}'}}",
        "35" + at +
            "response_headers.add.a: there is no variable '%{requestid}' (did you mean "
            "'request_id'?)");
  route("rewrite: {}", "16" + at + "rewrite: nothing to rewrite (expected path_prefix or host)");
  const std::string text =
      with_route("      match: {path: /a}\n      rewrite:\n        path_prefix: /b\n");
  CHECK(errors_of(text) ==
        "f.yaml:8:22: listeners[0].routes[0].rewrite.path_prefix: there is no prefix to replace "
        "(expected match.path_prefix)\n");
  app("load_balancer: {policy: maglev}",
      "20: upstreams.app.load_balancer.hash_on: missing (expected source_ip, path, header or "
      "cookie for this policy)");
  app("health_check: {}", "19: upstreams.app.health_check: expected one of http or tcp");
  app("health_check: {http: {}, tcp: {}}",
      "19: upstreams.app.health_check: expected only one of http or tcp");
  app("health_check: {http: {headers: {host: pay}}}",
      "37: upstreams.app.health_check.http.headers.host: the Host header is the key `host` "
      "beside `headers`");
  app("adaptive_concurrency: {min: 30, initial: 20}",
      "27: upstreams.app.adaptive_concurrency: min 30, initial 20, max 1000 are not in this order");
  app("adaptive_concurrency: {max: 10, initial: 20}",
      "27: upstreams.app.adaptive_concurrency: min 3, initial 20, max 10 are not in this order");
  app("adaptive_concurrency: {min: 30, max: 10}",
      "27: upstreams.app.adaptive_concurrency: min 30, max 10 are not in this order");
}

TEST_CASE("so are values of later versions") {
  check({
      top("workers: 0", "10: workers: found '0' (expected a whole number from 1 to 64, or auto)"),
      top("workers: 65", "10: workers: found '65' (expected a whole number from 1 to 64, or auto)"),
      top("version: 2", "10: version: '2' is not supported by this version (expected 1)"),
  });
}

}  // namespace
}  // namespace outrigger::config
