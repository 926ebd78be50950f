#include "proxy/exchange/route_table.h"

#include <algorithm>
#include <chrono>

#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::exchange {
namespace {

using config::HeaderMatch;
using config::Match;
using PathKind = config::Match::PathKind;

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

struct Fields final : HeaderLookup {
  std::vector<std::pair<std::string, std::string>> list;

  Fields(std::initializer_list<std::pair<std::string, std::string>> fields) : list(fields) {}
  bool any(std::string_view name, const Predicate& matches) const override {
    return std::ranges::any_of(list, [&](const auto& field) {
      return same_ignoring_case(field.first, name) && matches(field.second);
    });
  }
};

const Fields kNoFields{};

struct Routes {
  std::vector<config::Route> list;

  // Names stand for indices, so that tests read as sentences.
  Routes& add(std::string name, Match match) {
    auto& route = list.emplace_back();
    route.name = std::move(name);
    route.match = std::move(match);
    return *this;
  }
};

class Table {
 public:
  explicit Table(Routes routes) : routes_(std::move(routes.list)), table_(routes_) {}

  std::string find(std::string_view host, std::string_view path, std::string_view method = "GET",
                   const HeaderLookup& headers = kNoFields) const {
    const auto found =
        table_.find({.host = host, .path = path, .method = method, .headers = headers});
    return found ? routes_.at(*found).name : "none";
  }
  std::string path(std::string_view path) const { return find("x", path); }
  const RouteTable& table() const { return table_; }
  std::string name(std::uint32_t index) const { return routes_.at(index).name; }

 private:
  std::vector<config::Route> routes_;
  RouteTable table_;
};

Match prefix(std::string path) {
  return {.path_kind = PathKind::Prefix, .path = std::move(path)};
}
Match exact(std::string path) {
  return {.path_kind = PathKind::Exact, .path = std::move(path)};
}
Match regex(std::string path) {
  return {.path_kind = PathKind::Regex, .path = std::move(path)};
}
Match hosts(std::vector<std::string> names) {
  return {.hosts = std::move(names)};
}

Match with_header(HeaderMatch::Kind kind, std::string value) {
  return {.headers = {{.name = "X-Kind", .kind = kind, .value = std::move(value)}}};
}

}  // namespace

// Hosts.

TEST_CASE("the most specific host wins: exact, longest wildcard, any") {
  const Table table(Routes{}
                        .add("any", {})
                        .add("short", hosts({"*.internal"}))
                        .add("long", hosts({"*.pay.internal"}))
                        .add("exact", hosts({"a.pay.internal", "b.pay.internal"})));
  CHECK(table.find("a.pay.internal", "/") == "exact");
  CHECK(table.find("b.pay.internal", "/") == "exact");
  CHECK(table.find("c.pay.internal", "/") == "long");
  CHECK(table.find("d.c.pay.internal", "/") == "long");
  CHECK(table.find("pay.internal", "/") == "short");
  CHECK(table.find("internal", "/") == "any");
  CHECK(table.find("xinternal", "/") == "any");
  CHECK(table.find("", "/") == "any");
  CHECK(table.find(".internal", "/") == "any");
}

TEST_CASE("hosts are compared without case and without port") {
  const Table table(Routes{}
                        .add("name", hosts({"Pay.Internal"}))
                        .add("wildcard", hosts({"*.Example.com:80"}))
                        .add("v6", hosts({"[::1]"}))
                        .add("v4", hosts({"127.0.0.1"})));
  CHECK(table.find("pAY.iNTERNAL", "/") == "name");
  CHECK(table.find("pay.internal:8080", "/") == "name");
  CHECK(table.find("pay.internal.", "/") == "name");
  CHECK(table.find("pay.internal.:80", "/") == "name");
  CHECK(table.find("a.example.com.", "/") == "wildcard");
  CHECK(table.find(".", "/") == "none");
  CHECK(table.find("A.EXAMPLE.COM:1", "/") == "wildcard");
  CHECK(table.find("example.com", "/") == "none");
  CHECK(table.find("[::1]:8080", "/") == "v6");
  CHECK(table.find("[::1]", "/") == "v6");
  CHECK(table.find("127.0.0.1:9", "/") == "v4");
  CHECK(table.find("[", "/") == "none");
  CHECK(table.find("pay.internal@", "/") == "none");
}

TEST_CASE("an IPv6 host may be written with and without brackets, and * is any host") {
  const Table table(Routes{}.add("v6", hosts({"fd00::1"})).add("any", hosts({"*"})));
  CHECK(table.find("[fd00::1]:80", "/") == "v6");
  CHECK(table.find("whatever", "/") == "any");
}

// Paths.

TEST_CASE("exact path before longest prefix before regex before any path") {
  const Table table(Routes{}
                        .add("any", {})
                        .add("regex", regex("^/v[0-9]+/"))
                        .add("short", prefix("/v1"))
                        .add("long", prefix("/v1/users/"))
                        .add("exact", exact("/v1/users/me")));
  CHECK(table.path("/v1/users/me") == "exact");
  CHECK(table.path("/v1/users/me/") == "long");
  CHECK(table.path("/v1/users/you") == "long");
  CHECK(table.path("/v1/users") == "long");
  CHECK(table.path("/v1/groups") == "short");
  CHECK(table.path("/v2/groups") == "regex");
  CHECK(table.path("/v2") == "any");
  CHECK(table.path("*") == "any");
}

TEST_CASE("a prefix matches whole segments, with or without a trailing slash") {
  for (const auto* written : {"/a", "/a/"}) {
    const Table table(Routes{}.add("a", prefix(written)));
    CHECK(table.path("/a") == "a");
    CHECK(table.path("/a/") == "a");
    CHECK(table.path("/a/b") == "a");
    CHECK(table.path("/a//b") == "a");
    CHECK(table.path("/ab") == "none");
    CHECK(table.path("/A") == "none");
    CHECK(table.path("/") == "none");
    CHECK(table.path("//a") == "none");
    CHECK(table.path("") == "none");
  }
}

TEST_CASE("the prefix / matches everything, before a regex") {
  const Table table(Routes{}.add("regex", regex(".*")).add("root", prefix("/")));
  for (const auto* path : {"/", "/a", "/a/b", "//", "*"}) CHECK(table.path(path) == "root");
}

TEST_CASE("a path below the beginning of a longer prefix takes the shorter one") {
  const Table table(Routes{}.add("a", prefix("/a")).add("abcd", prefix("/a/b/c/d")));
  CHECK(table.path("/a/b/c") == "a");
  CHECK(table.path("/a/b/c/x") == "a");
  CHECK(table.path("/a/b/c/d/e") == "abcd");
}

TEST_CASE("an empty segment within a prefix is a segment") {
  const Table table(Routes{}.add("double", prefix("/a//b")));
  CHECK(table.path("/a//b/c") == "double");
  CHECK(table.path("/a/b") == "none");
}

TEST_CASE("a regex is searched for, and tied down by ^ and $") {
  const Table table(
      Routes{}.add("whole", regex("^/x[0-9]$")).add("start", regex("^/y")).add("in", regex("z")));
  CHECK(table.path("/x1") == "whole");
  CHECK(table.path("/x12") == "none");
  CHECK(table.path("/y/1") == "start");
  CHECK(table.path("/a/y") == "none");
  CHECK(table.path("/a/z/b") == "in");
}

TEST_CASE("of regexes the one written first is taken") {
  const Table table(Routes{}.add("first", regex("^/a")).add("second", regex("^/a/b")));
  CHECK(table.path("/a/b") == "first");
}

TEST_CASE("paths compare after decoding of unreserved characters, on both sides") {
  const Table table(Routes{}
                        .add("exact", exact("/my%2Dfile"))
                        .add("prefix", prefix("/caf%C3%A9/%7Euser"))
                        .add("regex", regex("^/r-[0-9]")));
  CHECK(table.path("/my-file") == "exact");
  CHECK(table.path("/%6Dy%2dfile") == "exact");
  CHECK(table.path("/caf%C3%A9/~user/x") == "prefix");
  CHECK(table.path("/r%2D%37") == "regex");
  CHECK(table.path("/my%2Ffile") == "none");
}

TEST_CASE("an encoded slash does not separate segments") {
  const Table table(Routes{}.add("a", prefix("/a")));
  CHECK(table.path("/a%2Fb") == "none");
}

// Methods and header fields.

TEST_CASE("of routes with the same path a method match is asked first, then most header fields") {
  const HeaderMatch one{.name = "x-one", .kind = HeaderMatch::Kind::Present};
  const HeaderMatch two{.name = "x-two", .kind = HeaderMatch::Kind::Present};
  const Table table(
      Routes{}
          .add("plain", prefix("/a"))
          .add("both", {.path_kind = PathKind::Prefix, .path = "/a", .headers = {one, two}})
          .add("one", {.path_kind = PathKind::Prefix, .path = "/a", .headers = {one}})
          .add("method",
               {.path_kind = PathKind::Prefix, .path = "/a", .methods = {"POST", "PUT"}}));
  const Fields fields{{"X-One", "1"}, {"x-TWO", "2"}};
  CHECK(table.find("x", "/a", "GET") == "plain");
  CHECK(table.find("x", "/a", "GET", Fields{{"X-One", "1"}}) == "one");
  CHECK(table.find("x", "/a", "GET", fields) == "both");
  CHECK(table.find("x", "/a", "PUT", fields) == "method");
  CHECK(table.find("x", "/a", "put") == "plain");
}

TEST_CASE(
    "of routes with equally many header fields the one with most query parameters is asked first") {
  const HeaderMatch field{.name = "x-one", .kind = HeaderMatch::Kind::Present};
  const config::QueryMatch a{{.name = "a", .kind = HeaderMatch::Kind::Value, .value = "1"}};
  const config::QueryMatch b{{.name = "b", .kind = HeaderMatch::Kind::Absent}};
  const Table table(Routes{}
                        .add("plain", {})
                        .add("a", {.query = {a}})
                        .add("both", {.query = {a, b}})
                        .add("field", {.headers = {field}}));
  const auto find = [&](std::string_view query, const HeaderLookup& headers = kNoFields) {
    const auto found =
        table.table().find({.path = "/", .method = "GET", .headers = headers, .query = query});
    return found ? table.name(*found) : std::string("none");
  };
  CHECK(find("") == "plain");
  CHECK(find("a=2") == "plain");
  CHECK(find("a=1&b=1") == "a");
  CHECK(find("a=1") == "both");
  CHECK(find("a=1", Fields{{"X-One", "1"}}) == "field");
}

TEST_CASE("query parameters match by value, prefix, regex, presence and absence") {
  using Kind = HeaderMatch::Kind;
  struct Row {
    Kind kind;
    const char* value;
    const char* query;
    bool matches;
  };
  const Row rows[] = {
      {Kind::Value, "b c", "p=b%20c", true},   {Kind::Value, "b c", "p=b+c", true},
      {Kind::Value, "b c", "p=b", false},      {Kind::Value, "b", "P=b", false},
      {Kind::Value, "b", "p=a&p=b", false},    {Kind::Prefix, "be", "p=begin", true},
      {Kind::Prefix, "be", "p=abe", false},    {Kind::Regex, "^[0-9]+$", "p=12", true},
      {Kind::Regex, "^[0-9]+$", "p=x", false}, {Kind::Present, "", "a&p", true},
      {Kind::Present, "", "a", false},         {Kind::Absent, "", "a", true},
      {Kind::Absent, "", "p", false},
  };
  for (const Row& row : rows) {
    INFO(row.query << " for " << row.value);
    const config::QueryMatch match{{.name = "p", .kind = row.kind, .value = row.value}};
    const Table table(Routes{}.add("matched", {.query = {match}}));
    const auto found = table.table().find(
        {.path = "/", .method = "GET", .headers = kNoFields, .query = row.query});
    CHECK(found.has_value() == row.matches);
  }
}

TEST_CASE("a tie goes to the route written first") {
  const Table table(
      Routes{}.add("first", {.methods = {"GET", "POST"}}).add("second", {.methods = {"GET"}}));
  CHECK(table.find("x", "/", "GET") == "first");
  CHECK(table.find("x", "/", "DELETE") == "none");
}

TEST_CASE("header fields match by value, prefix, regex, presence and absence") {
  using Kind = HeaderMatch::Kind;
  const Fields none{};
  const Fields blue{{"x-kind", "blue"}};
  const Fields several{{"x-kind", "red"}, {"other", "x"}, {"X-KIND", "blue"}};
  const Fields empty{{"x-kind", ""}};
  struct Case {
    Kind kind;
    std::string value;
    std::array<bool, 4> matches;  // none, blue, several, empty
  };
  const std::vector<Case> cases{
      {Kind::Value, "blue", {false, true, true, false}},
      {Kind::Value, "Blue", {false, false, false, false}},
      {Kind::Value, "", {false, false, false, true}},
      {Kind::Prefix, "bl", {false, true, true, false}},
      {Kind::Prefix, "re", {false, false, true, false}},
      {Kind::Regex, "^b.u", {false, true, true, false}},
      {Kind::Regex, "^$", {false, false, false, true}},
      {Kind::Present, "", {false, true, true, true}},
      {Kind::Absent, "", {true, false, false, false}},
  };
  for (const auto& test : cases) {
    const Table table(Routes{}.add("matched", with_header(test.kind, test.value)));
    std::size_t i = 0;
    for (const auto* fields : {&none, &blue, &several, &empty}) {
      INFO(test.value << " with set " << i);
      CHECK((table.find("x", "/", "GET", *fields) == "matched") == test.matches[i++]);
    }
  }
}

TEST_CASE("a candidate whose method or fields do not match leaves the request to the next") {
  const auto post = [](Match match) {
    match.methods = {"POST"};
    return match;
  };
  Match exact_host = post(exact("/a/b"));
  exact_host.hosts = {"h.internal"};
  Match wildcard_host = post(prefix("/a/b"));
  wildcard_host.hosts = {"*.internal"};
  const Table table(
      Routes{}
          .add("exact host", exact_host)
          .add("wildcard host", wildcard_host)
          .add("exact path", post(exact("/a/b")))
          .add("longer", post(prefix("/a/b")))
          .add("canary",
               {.path_kind = PathKind::Prefix, .path = "/a", .headers = {{.name = "canary"}}})
          .add("shorter", post(prefix("/a")))
          .add("regex", post(regex("^/a")))
          .add("any", {}));
  CHECK(table.find("h.internal", "/a/b", "POST") == "exact host");
  CHECK(table.find("g.internal", "/a/b", "POST") == "wildcard host");
  CHECK(table.find("h.internal", "/a/b/c", "POST") == "wildcard host");
  CHECK(table.find("x", "/a/b", "POST") == "exact path");
  CHECK(table.find("x", "/a/b/c", "POST") == "longer");
  CHECK(table.find("x", "/a/c", "POST") == "shorter");
  CHECK(table.find("h.internal", "/a/b", "GET", Fields{{"canary", ""}}) == "canary");
  CHECK(table.find("h.internal", "/a/b", "GET") == "any");
}

TEST_CASE("host goes before path") {
  Match by_host = prefix("/");
  by_host.hosts = {"*.internal"};
  const Table table(Routes{}.add("path", exact("/a/b")).add("host", by_host));
  CHECK(table.find("h.internal", "/a/b") == "host");
  CHECK(table.find("h.elsewhere", "/a/b") == "path");
}

TEST_CASE("without routes nothing is found") {
  CHECK(Table(Routes{}).find("x", "/") == "none");
}

// Cost.

TEST_CASE("finding a route allocates nothing") {
  const Table table(Routes{}
                        .add("host", hosts({"a.very.long.host.name.that.no.string.holds.internal"}))
                        .add("prefix", prefix("/a/prefix/of/several/segments"))
                        .add("header", with_header(HeaderMatch::Kind::Value, "1"))
                        .add("any", hosts({"*.wild.internal"})));
  const Fields fields{{"x-kind", "1"}};
  const std::string filler(4000, 'x');
  const std::string deep = "/a/prefix/of/several/segments/" + filler;
  const std::string encoded = "/a/prefix%2Dof/several/segments";
  const auto before = test::allocations();
  std::uint32_t sum = 0;
  for (const auto host :
       {"a.very.long.host.name.that.no.string.holds.internal:80", "x.wild.internal"}) {
    for (const std::string* path : {&deep, &encoded, &filler}) {
      const auto found =
          table.table().find({.host = host, .path = *path, .method = "GET", .headers = fields});
      sum += found.value_or(100);
    }
  }
  CHECK(test::allocations() == before);
  CHECK(sum < 100);
}

TEST_CASE("thousands of routes do not make a look-up dearer") {
  // A thousandfold table may cost a few times as much (memory), never a hundred times.
  const auto time_of = [](int routes) {
    Routes list;
    for (int i = 0; i < routes; ++i) {
      const auto number = std::to_string(i);
      Match match = i % 2 ? exact("/api/e" + number) : prefix("/api/p" + number + "/sub");
      if (i % 3 == 0) match.hosts = {"h" + number + ".internal", "*.w" + number + ".internal"};
      list.add(number, std::move(match));
    }
    const Table table(std::move(list));
    auto best = std::chrono::nanoseconds::max();
    for (int run = 0; run < 5; ++run) {
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < 2000; ++i) {
        const auto found = table.table().find({.host = "x.w3.internal:80",
                                               .path = "/api/p4/sub/x",
                                               .method = "GET",
                                               .headers = kNoFields});
        if (found != 4u) FAIL("wrong route");
      }
      best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
    }
    return best;
  };
  CHECK(time_of(10000) < 100 * time_of(10));
}

TEST_CASE("hosts and paths made to be dear are not") {
  Routes list;
  list.add("wild", hosts({"*.a.a"})).add("prefix", prefix("/a/a/a/a"));
  const Table table(std::move(list));
  std::string host;
  std::string path;
  for (int i = 0; i < 8000; ++i) {
    host += "b.";
    path += "/a";
  }
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) CHECK(table.find(host + "a.a", path) == "wild");
  // About 1 ms; with a hash of every rest it would be seconds.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));
}

}  // namespace outrigger::exchange
