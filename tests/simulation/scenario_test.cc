#include "proxy/simulation/scenario.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include "config/load.h"
#include "proxy/simulation/describe_scenario.h"
#include "tests/support/catch.h"

namespace outrigger::simulation {
namespace {

constexpr const char* kConfig = R"(
listeners:
  - address: 127.0.0.1:8080
    routes:
      - {name: shop, match: {path_prefix: /shop, hosts: ["*.test"]}, upstream: shop}
      - {name: search, match: {path_regex: "^/s[0-9]"}, upstream: search}
      - {name: item, match: {path: /item, methods: [PUT], headers: [{name: x-a, value: b}],
         query: [{name: id, value: "7"}]}, upstream: shop}
upstreams:
  shop: {endpoints: ["10.0.0.1:80", "10.0.0.2:80"]}
  search: {endpoints: ["10.0.1.1:80"]}
)";

// The head of a scenario that is fine.
const std::string kCallers = "callers: [{route: shop, rate: 10}]\n";
const std::string kPhases = "phases: [{name: calm, duration: 1s}]\n";

class File {
 public:
  explicit File(const std::string& text) {
    path_ = std::filesystem::temp_directory_path() /
            ("outrigger-scenario-" + std::to_string(reinterpret_cast<std::uintptr_t>(this)));
    std::ofstream(path_) << text;
  }
  ~File() { std::filesystem::remove(path_); }
  std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

Planned plan(const std::string& scenario) {
  auto loaded = config::load_text(kConfig, "outrigger.yaml", {});
  REQUIRE(loaded);
  const File file(scenario);
  return load_plan(file.path(), std::make_shared<const config::Config>(std::move(loaded.value())),
                   {});
}

// "LINE:COL: PATH: MESSAGE" of the first fault; empty: none.
std::string fault(const std::string& scenario) {
  const auto planned = plan(scenario);
  if (planned) return "";
  const auto text = config::to_text("f", planned.error().front());
  return text.substr(2);
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a scenario is read with its defaults") {
  const auto planned = plan(kCallers + kPhases);
  REQUIRE(planned);
  const Plan& made = planned.value();
  CHECK(made.scenario.seed == 1);
  CHECK(made.scenario.callers[0].arrivals == Arrivals::Poisson);
  CHECK(made.callers[0].path == "/shop");
  CHECK(made.callers[0].host == "simulated.test");
  CHECK(made.callers[0].method == "GET");
  CHECK(made.configs.size() == 1);
}

TEST_CASE("a request is made up for what its route matches") {
  const auto planned = plan("callers: [{route: item, rate: 1}]\n" + kPhases);
  REQUIRE(planned);
  const RequestShape& shape = planned.value().callers[0];
  CHECK(shape.method == "PUT");
  CHECK(shape.target == "/item?id=7");
  CHECK(shape.headers.front() == std::pair<std::string, std::string>{"x-a", "b"});
}

TEST_CASE("a request that the route does not take is refused, with what helps") {
  CHECK(
      has(fault("callers: [{route: search, rate: 1}]\n" + kPhases), "give host, path or headers"));
  CHECK(fault("callers: [{route: search, rate: 1, path: /s1}]\n" + kPhases).empty());
  CHECK(has(fault("callers: [{route: item, rate: 1, methods: {PUT: 9, GET: 1}}]\n" + kPhases),
            "route 'item' does not take the method 'GET'"));
  CHECK(fault("callers: [{route: item, rate: 1, methods: {PUT: 1}}]\n" + kPhases).empty());
}

TEST_CASE("what is wrong with a scenario is said with its place") {
  struct Row {
    std::string text;
    std::string begins;
    std::string holds;
  };
  const Row rows[] = {
      {"seeed: 2\n" + kCallers + kPhases, "1:1: seeed: unknown key", "did you mean 'seed'?"},
      {kCallers, "1:1: phases: missing", ""},
      {"callers: []\n" + kPhases, "1:10: callers: empty", ""},
      {"callers: [{rate: fast, route: shop}]\n" + kPhases, "1:18: callers[0].rate: found 'fast'",
       "expected a number from 0 to 1000000"},
      {"callers: [{rate: 1}]\n" + kPhases, "1:11: callers[0].route: which route?",
       "expected shop, search or item"},
      {"callers: [{route: shopp, rate: 1}]\n" + kPhases, "1:19: callers[0].route: no route 'shopp'",
       "did you mean 'shop'?"},
      {kCallers + kPhases + "endpoints: [{upstream: serch, hang_percent: 1}]\n",
       "3:13: endpoints[0]: no endpoint is picked by it", "did you mean 'search'?"},
      {kCallers + kPhases + "endpoints: [{hop: 2, hang_percent: 1}]\n",
       "3:13: endpoints[0]: no endpoint", "the last hop is 0"},
      {kCallers + kPhases + "endpoints: [{statuses: {503: 60, 500: 50}}]\n",
       "3:24: endpoints[0].statuses: more than 100 percent", ""},
      {kCallers + kPhases + "endpoints: [{statuses: {ok: 60}}]\n",
       "3:25: endpoints[0].statuses.ok: no status", "200 to 599"},
      {kCallers + kPhases + "endpoints: [{latency: {p50: 1s, p99: 10ms}}]\n",
       "3:23: endpoints[0].latency: p50 is above p99", ""},
      {kCallers + kPhases + "endpoints: [{latency: {p50: 1s}}]\n",
       "3:23: endpoints[0].latency: expected one of", ""},
      {kCallers + kPhases + "endpoints: [{latency: 10}]\n",
       "3:23: endpoints[0].latency: found '10'", "a duration"},
      {kCallers + "phases: [{name: a, duration: 1s, callers: [{route: x, rate: 1}]}]\n",
       "2:52: phases[0].callers[0].route: no callers of route 'x'", ""},
      {"callers: [{route: shop, rate: 1000000}]\nphases: [{name: a, duration: 1h}]\n",
       "2:9: phases: about 3600000000 requests", "at most 20000000"},
      {kCallers + kPhases + "hops: [{upstream: shp, config: x.yaml}]\n",
       "3:19: hops[0].upstream: no upstream 'shp'", "did you mean 'shop'?"},
      {kCallers + kPhases + "hops: [{upstream: shop, config: nowhere.yaml}]\n",
       "3:33: hops[0].config: is no configuration", "nowhere.yaml: cannot be read"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const std::string found = fault(row.text);
    CHECK(found.substr(0, row.begins.size()) == row.begins);
    CHECK(has(found, row.holds));
  }
}

TEST_CASE("later changes override earlier ones, key by key, where they pick the endpoint") {
  Behaviour behaviour;
  apply({.latency = Latency{.mean = std::chrono::seconds(1)}, .hang_percent = 5}, behaviour);
  apply({.hang_percent = 7}, behaviour);
  CHECK(behaviour.hang_percent == 7);
  CHECK(behaviour.latency.mean == std::chrono::seconds(1));
  CHECK(picks({.upstream = "a"}, 3, "a", "x:1"));
  CHECK_FALSE(picks({.upstream = "a", .address = "y:1"}, 3, "a", "x:1"));
  CHECK_FALSE(picks({.hop = 0}, 3, "a", "x:1"));
}

TEST_CASE("a drawn latency has the distribution that was asked for") {
  Random random(5);
  const auto share_below = [&](const Latency& latency, Duration bound) {
    int below = 0;
    for (int i = 0; i < 10'000; ++i) below += draw(latency, random) < bound ? 1 : 0;
    return below / 10'000.0;
  };
  using namespace std::chrono_literals;
  // Within five standard deviations: sqrt(p (1 - p) / 10000) is 0.005 at a half, 0.001 at 0.99.
  CHECK(share_below({.p50 = 10ms, .p99 = 80ms}, 10ms) == Approx(0.5).margin(0.025));
  CHECK(share_below({.p50 = 10ms, .p99 = 80ms}, 80ms) == Approx(0.99).margin(0.005));
  CHECK(share_below({.mean = 10ms}, 10ms) == Approx(1 - std::exp(-1.0)).margin(0.025));
  CHECK(share_below({.min = 10ms, .max = 20ms}, 15ms) == Approx(0.5).margin(0.025));
  CHECK(share_below({.min = 10ms, .max = 20ms}, 10ms) == 0);
  CHECK(draw({.fixed = 3ms}, random) == 3ms);
}

// Notes the names of a block's keys.
struct Names {
  std::vector<std::string> all;
  void block(std::string_view, std::string_view) {}
  template <class T, class K>
  void key(std::string_view name, T&, const K&, std::string_view) {
    all.emplace_back(name);
  }
  template <class T, class K>
  void required(std::string_view name, T&, const K&, std::string_view) {
    all.emplace_back(name);
  }
};

TEST_CASE("the page of the scenarios names every key") {
  std::ifstream file(OUTRIGGER_SOURCE_DIR "/config/examples/scenarios/README.md");
  const std::string page(std::istreambuf_iterator<char>(file), {});
  Names names;
  const auto note = [&names](auto block) { describe(names, block); };
  note(Scenario{});
  note(Callers{});
  note(EndpointChange{});
  note(Latency{});
  note(Capacity{});
  note(Phase{});
  note(RateChange{});
  note(Hop{});
  for (const std::string& name : names.all) {
    INFO(name);
    CHECK(has(page, "`" + name + "`"));
  }
}

}  // namespace
}  // namespace outrigger::simulation
