#include "proxy/admin/paths.h"

#include "tests/support/catch.h"

namespace outrigger::admin {
namespace {

std::string_view methods(std::string_view path) {
  const auto segments = segments_of(path);
  return segments ? methods_of(*segments) : "malformed";
}

TEST_CASE("each admin path has its methods") {
  CHECK(methods("/") == "GET, HEAD");
  CHECK(methods("/events") == "GET, HEAD");
  CHECK(methods("/drain") == "POST, DELETE");
  CHECK(methods("/faults/r") == "PUT, DELETE");
  CHECK(methods("/log-level/debug") == "POST");
  CHECK(methods("/upstreams/u/endpoints/10.0.0.1:80/eject") == "POST");
  CHECK(methods("/upstreams/u/endpoints/10.0.0.1:80/restore") == "POST");
  for (const char* scope : {"route", "upstream"}) {
    for (const char* word : {"open", "close", "auto"}) {
      CHECK(methods(std::string("/circuit-breakers/") + scope + "/a/" + word) == "POST");
    }
  }
}

TEST_CASE("what is near an admin path is none") {
  for (const char* path :
       {"/event", "/events/", "//", "/faults", "/faults/", "/faults//", "/faults/a/b",
        "/upstreams/u/endpoints/a/kill", "/upstreams//endpoints/a/eject",
        "/upstreams/u/endpoints//eject", "/circuit-breakers/listener/a/open",
        "/circuit-breakers/route/a/half-open", "/circuit-breakers/route/a/open|close",
        "/circuit-breakers/route/a/", "/log-level"}) {
    INFO(path);
    CHECK(methods(path).empty());
  }
}

TEST_CASE("names in a path are percent-decoded, a slash among them") {
  const auto path = segments_of("/upstreams/u/endpoints/unix:%2Frun%2fapp.sock/eject");
  REQUIRE(path);
  CHECK((*path)[3] == "unix:/run/app.sock");
  CHECK(methods_of(*path) == "POST");
  CHECK(segments_of("/a%5B::1%5D:80")->front() == "a[::1]:80");
  for (const char* wrong : {"/%", "/%2", "/%zz", "/a%2"}) {
    INFO(wrong);
    CHECK_FALSE(segments_of(wrong));
  }
}

TEST_CASE("a method is one of those listed as a whole") {
  CHECK(names_method("GET, HEAD", "HEAD"));
  CHECK(names_method("PUT, DELETE", "PUT"));
  CHECK_FALSE(names_method("POST, DELETE", "PO"));
  CHECK_FALSE(names_method("GET, HEAD", "GET, HEAD"));
  CHECK_FALSE(names_method("", "GET"));
  CHECK_FALSE(names_method("POST", ""));
}

}  // namespace
}  // namespace outrigger::admin
