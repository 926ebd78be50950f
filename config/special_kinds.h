// The kinds that only one key has.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/composites.h"

namespace outrigger::config {

// One of path, path_prefix and path_regex: three keys, one place to keep them.
struct PathAs {
  Match::PathKind kind;

  void read(Reader& in, const Yaml& node, Match& out) const;
  Json render(const Match& match) const;
  Json alternatives(Definitions&) const { return text().alternatives(); }
  std::string expected() const { return text().expected(); }
  Text text() const { return {kind == Match::PathKind::Regex ? kRegex : kPath}; }
};

// One of value, prefix, regex and present of a header match, likewise.
struct HeaderAs {
  HeaderMatch::Kind kind;

  void read(Reader& in, const Yaml& node, HeaderMatch& out) const;
  Json render(const HeaderMatch& match) const;
  Json alternatives(Definitions&) const;
  std::string expected() const;
  bool is_presence() const;
  Text text() const { return {kind == HeaderMatch::Kind::Regex ? kRegex : kHeaderValue}; }
};

struct RetryOnList {
  RetryOn fresh() const { return {}; }
  void read(Reader& in, const Yaml& node, RetryOn& out) const;
  Json render(const RetryOn& on) const;
  Json alternatives(Definitions&) const;
  std::string expected() const { return "a list of words and status numbers"; }
};

// Header names to values, in the order of the file.
struct HeaderMap {
  using Headers = std::vector<std::pair<std::string, std::string>>;

  void read(Reader& in, const Yaml& node, Headers& out) const;
  Json render(const Headers& headers) const;
  Json alternatives(Definitions&) const;
  std::string expected() const { return "a map of header names to values"; }
};

// A list of routes, each over `defaults.route`.
struct Routes {
  void read(Reader& in, const Yaml& node, std::vector<Route>& out) const;
  Json render(const std::vector<Route>& routes) const;
  Json alternatives(Definitions& definitions) const;
  std::string expected() const { return "a list of routes"; }
};

// A list of listeners; not empty.
struct Listeners {
  void read(Reader& in, const Yaml& node, std::vector<Listener>& out) const;
  Json render(const std::vector<Listener>& listeners) const;
  Json alternatives(Definitions& definitions) const;
  std::string expected() const { return "a list of listeners"; }
};

// Names to upstreams, each over `defaults.upstream`.
struct Upstreams {
  void read(Reader& in, const Yaml& node, std::vector<Upstream>& out) const;
  Json render(const std::vector<Upstream>& upstreams) const;
  Json alternatives(Definitions& definitions) const;
  std::string expected() const { return "a map of names to upstreams"; }
};

// Read only to be checked where they stand; routes and upstreams take over the text.
struct RouteDefaults {
  Route route;
};
struct UpstreamDefaults {
  Upstream upstream;
};
struct Defaults {
  RouteDefaults route;
  UpstreamDefaults upstream;
};
struct DefaultsBlock {
  void read(Reader& in, const Yaml& node, const Config&) const;
  Json render(const Config&) const { return {}; }
  Json alternatives(Definitions& definitions) const;
  std::string expected() const { return "a map of keys"; }
};

// The version of the format; nothing to keep.
struct Version {
  void read(Reader& in, const Yaml& node, const Config&) const;
  Json render(const Config&) const { return 1; }
  Json alternatives(Definitions&) const { return Json::array({{{"const", 1}}}); }
  std::string expected() const { return "1"; }
};

}  // namespace outrigger::config
