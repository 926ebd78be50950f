// Which route of a listener a request takes: the most specific one that matches, whatever the
// order in which they are written (CONFIG.md, Matching; Gateway API).
//
// Host, then path, then method and header fields. Hosts and exact paths are hashed, prefixes
// stand in a tree of path segments, so that thousands of routes cost a request no more than ten;
// regexes and routes that differ only in method or fields are tried one by one. Candidates are
// asked from the most specific to the least, over hosts too: one whose method or fields do not
// match leaves the request to the next.
//
// A regex is searched for in the path; ^ and $ tie it down. It must be valid.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/model.h"
#include "proxy/exchange/route_match.h"

namespace outrigger::exchange {

class RouteTable {
 public:
  // Keeps nothing of `routes`.
  explicit RouteTable(const std::vector<config::Route>& routes);

  // The index into `routes`. Safe from any thread; allocates nothing, save for a path with
  // percent-encoding beyond 1 KiB and within RE2.
  std::optional<std::uint32_t> find(const RouteQuery& query) const;

 private:
  // To look up by views, without a string made for it.
  struct PathHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct HostHash {  // without case
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const;
  };
  struct HostEqual {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const;
  };
  // What lies between two slashes: hashed in the same pass that finds its end.
  struct Segment {
    std::string_view text;
    std::size_t hash;

    explicit Segment(std::string_view path);  // its first
  };
  struct SegmentHash {
    using is_transparent = void;
    std::size_t operator()(const std::string& text) const { return Segment(text).hash; }
    std::size_t operator()(const Segment& segment) const { return segment.hash; }
  };
  struct SegmentEqual {
    using is_transparent = void;
    bool operator()(const std::string& a, const std::string& b) const { return a == b; }
    // Byte by byte: segments are short, and most that are compared are equal.
    bool operator()(const Segment& a, const std::string& b) const {
      if (a.text.size() != b.size()) return false;
      const char* other = b.data();
      for (const char c : a.text) {
        if (c != *other++) return false;
      }
      return true;
    }
  };

  using Candidates = std::vector<RouteMatch>;  // the one to ask first stands first

  // A path segment within the prefixes; node 0 is the root, the prefix `/`.
  struct PrefixNode {
    std::unordered_map<std::string, std::uint32_t, SegmentHash, SegmentEqual> children;
    std::uint32_t parent = 0;
    Candidates candidates;
  };
  struct HostRoutes {
    std::unordered_map<std::string, Candidates, PathHash, std::equal_to<>> exact;
    std::vector<PrefixNode> prefixes = std::vector<PrefixNode>(1);  // the root
    Candidates regexes;
    Candidates any_path;

    Candidates& candidates_for(const config::Match& match);
    std::uint32_t add_prefix(std::string_view prefix);
    std::uint32_t longest_prefix(std::string_view path) const;
    std::optional<std::uint32_t> find(const RouteQuery& query, std::string_view path) const;
  };
  using HostMap = std::unordered_map<std::string, HostRoutes, HostHash, HostEqual>;

  HostRoutes& routes_of(std::string_view host);

  HostMap exact_hosts_;
  HostMap wildcard_hosts_;  // "*.a.b" as "a.b"
  std::size_t longest_wildcard_ = 0;
  HostRoutes any_host_;
};

}  // namespace outrigger::exchange
