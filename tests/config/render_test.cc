#include "config/render.h"

#include <nlohmann/json.hpp>

#include "tests/config/loading.h"
#include "tests/support/catch.h"

namespace outrigger::config {
namespace {

using nlohmann::json;

json rendered(const std::string& text, const Environment& environment = {}) {
  return json::parse(to_json(loaded(text, environment)));
}

TEST_CASE("the effective configuration shows the defaults") {
  const json config = rendered(with_top(""));
  CHECK(config["admin"]["address"] == "127.0.0.1:9901");
  const json& route = config["listeners"][0]["routes"][0];
  CHECK(route["name"] == "listener-0");
  CHECK(route["timeouts"]["per_try"] == "off");
  CHECK(route["retry"]["max_retries"] == 1);
  CHECK(route["retry"]["max_body_bytes"] == "64KiB");
  CHECK(config["upstreams"]["app"]["timeouts"]["idle"] == "auto");
  CHECK(config["upstreams"]["app"]["timeouts"]["max_connection_duration"] == "10m");
  CHECK(config["upstreams"]["app"]["retry_budget"]["min_per_second"] == 0.5);
}

TEST_CASE("a route that responds shows no policies") {
  const json config =
      rendered("listeners: [{address: 'unix:/a', routes: [{respond: {status: 201}}]}]\n");
  const json& route = config["listeners"][0]["routes"][0];
  CHECK(route["respond"]["status"] == 201);
  CHECK_FALSE(route.contains("retry"));
}

TEST_CASE("what is shown loads as the same configuration") {
  for (const char* name : {"minimal.yaml", "full.yaml"}) {
    const std::string first = to_json(loaded(content_of(source_folder() / "examples" / name)));
    // Only the values from the environment are lost, and they were text or empty here.
    auto config = json::parse(first);
    config["node"] = {{"id", ""}, {"zone", ""}};
    for (json& listener : config["listeners"]) {
      if (listener["address"] == "***") listener["address"] = "0.0.0.0:8000";
    }
    INFO(errors_of(config.dump()));
    const Config again = loaded(config.dump());
    CHECK(json::parse(to_json(again)) == config);
  }
}

TEST_CASE("values from the environment are hidden, whatever their type") {
  const json config = rendered(
      "node: {id: '${SECRET}'}\n"
      "defaults: {route: {timeouts: {request: '${T}'}}}\n"
      "listeners: [{address: 'unix:/a', routes: [{upstream: a}]}]\n"
      "upstreams: {a: {endpoints: ['b:${PORT}', {address: 'c:1', weight: '${W}'}]}}\n",
      {{"SECRET", "hunter2"}, {"T", "3s"}, {"PORT", "4711"}, {"W", "77"}});
  CHECK(config["node"]["id"] == "***");
  CHECK(config["listeners"][0]["routes"][0]["timeouts"]["request"] == "***");
  CHECK(config["upstreams"]["a"]["endpoints"][0] == "***");
  CHECK(config["upstreams"]["a"]["endpoints"][1]["weight"] == "***");
  const std::string text = config.dump();
  for (const char* secret : {"hunter2", "4711", "77", "3s"}) {
    CHECK(text.find(secret) == std::string::npos);
  }
}

TEST_CASE("a burst that follows from requests is shown, and hidden with them") {
  const auto limit = [](const std::string& requests) {
    return rendered(
        "listeners: [{address: 'unix:/a', routes: [{upstream: a, rate_limit: {requests: " +
            requests + "}}]}]\nupstreams: {a: {endpoints: ['b:1']}}\n",
        {{"N", "4711"}})["listeners"][0]["routes"][0]["rate_limit"];
  };
  CHECK(limit("7")["burst"] == 7);
  CHECK(limit("'${N}'")["burst"] == "***");
}

TEST_CASE("a hidden value stays hidden where the shape or the order is another") {
  const json config = rendered(
      "listeners: [{address: 'unix:/a', routes: [{upstream: a, retry: {retry_on: [500, "
      "'${A}']}}]}]\n"
      "upstreams:\n"
      "  a:\n"
      "    endpoints: [{address: '${HOST}:1'}, 'b:1']\n"
      "    circuit_breaker: {consecutive_failures: {count: '${N}'}, failures: [timeout, '${F}']}\n",
      {{"A", "429"}, {"HOST", "hidden"}, {"N", "4711"}, {"F", "reset"}});
  const json& upstream = config["upstreams"]["a"];
  CHECK(upstream["endpoints"] == json{"***", "b:1"});
  CHECK(upstream["circuit_breaker"]["consecutive_failures"] == "***");
  CHECK(upstream["circuit_breaker"]["failures"] == "***");
  CHECK(config["listeners"][0]["routes"][0]["retry"]["retry_on"] == "***");
}

}  // namespace
}  // namespace outrigger::config
