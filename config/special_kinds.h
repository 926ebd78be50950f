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

// 301, 302, 303, 307 or 308.
struct RedirectStatus {
  using Value = int;

  std::optional<Misfit> parse(const Yaml& node, Value& out) const;
  Json render(Value value) const { return value; }
  Json alternatives() const;
  std::string expected() const { return "301, 302, 303, 307 or 308"; }
};

// A status, or `reset`, which is kept as 0.
struct AbortStatus {
  using Value = int;

  std::optional<Misfit> parse(const Yaml& node, Value& out) const;
  Json render(Value value) const { return value == 0 ? Json("reset") : Json(value); }
  Json alternatives() const;
  std::string expected() const { return "a status from 400 to 599, or reset"; }
};

// A duration, or p50 to p99.
struct HedgeDelay {
  using Value = Hedge::After;

  std::optional<Misfit> parse(const Yaml& node, Value& out) const;
  Json render(Value value) const;
  Json alternatives() const;
  std::string expected() const { return "a duration from 1ms to 1h, or p50 to p99"; }
};

// A status, or two with a dash between them.
struct StatusRangeKind {
  using Value = StatusRange;

  std::optional<Misfit> parse(const Yaml& node, Value& out) const;
  Json render(Value value) const;
  Json alternatives() const;
  std::string expected() const { return "a status from 100 to 599, or two as in 200-299"; }
};

// A moment as RFC 3339 writes it.
struct Timestamp {
  using Value = std::chrono::sys_seconds;

  std::optional<Misfit> parse(const Yaml& node, Value& out) const;
  Json render(Value value) const { return timestamp_text(value); }
  Json alternatives() const;
  std::string expected() const { return "a time such as 2026-01-31T18:00:00Z"; }
};

// A host, or `auto`.
struct RewriteHost {
  void read(Reader& in, const Yaml& node, Rewrite& out) const;
  Json render(const Rewrite& rewrite) const;
  Json alternatives(Definitions&) const { return Text{kAuthority}.alternatives(); }
  std::string expected() const { return Text{kAuthority}.expected() + ", or auto"; }
};

// The two keys of hash_on.
struct CookieKey {
  std::string name;
  std::optional<Duration> ttl;
};
struct HashHeader {
  void read(Reader& in, const Yaml& node, HashOn& out) const;
  Json render(const HashOn& on) const;
  Json alternatives(Definitions&) const { return Text{kHeaderName}.alternatives(); }
  std::string expected() const { return Text{kHeaderName}.expected(); }
};
struct HashCookie {
  void read(Reader& in, const Yaml& node, HashOn& out) const;
  Json render(const HashOn& on) const;
  Json alternatives(Definitions& definitions) const;
  std::string expected() const { return "a map of keys"; }
};

// `source_ip`, `path`, or a block with one of the two keys.
struct HashOnKind {
  HashOn fresh() const { return {}; }
  bool takes(const Yaml& node) const {
    return node.kind == Yaml::Kind::Map || node.kind == Yaml::Kind::Scalar;
  }
  void read(Reader& in, const Yaml& node, HashOn& out) const;
  Json render(const HashOn& on) const;
  Json alternatives(Definitions& definitions) const;
  std::string expected() const { return "source_ip, path, or a map with header or cookie"; }
};

// A list of targets, or a block that says what callers are told apart by.
struct SplitKind {
  Split fresh() const { return {}; }
  bool takes(const Yaml& node) const {
    return node.kind == Yaml::Kind::Map || node.kind == Yaml::Kind::List;
  }
  void read(Reader& in, const Yaml& node, Split& out) const;
  Json render(const Split& split) const;
  Json alternatives(Definitions& definitions) const;
  std::string expected() const { return "a list of upstreams with weights, or a map of keys"; }
};

// An `initial` that nobody wrote keeps within min and max.
struct AdaptiveBlock : Block<AdaptiveConcurrency> {
  void read(Reader& in, const Yaml& node, AdaptiveConcurrency& out) const;
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
