#include "proxy/exchange/route_table.h"

#include <algorithm>

#include "proxy/exchange/comparable_path.h"

namespace outrigger::exchange {
namespace {

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

// Without the port, a name without the dot of the root, an IPv6 address without its brackets.
std::string_view host_only(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  const auto colon = host.find(':');
  const bool bare_v6 = colon != std::string_view::npos && host.find(':', colon + 1) != host.npos;
  if (!bare_v6) host = host.substr(0, colon);
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

// Takes the next segment from the front of a path, whose leading `/` is gone.
std::string_view take_segment(std::string_view& path) {
  const auto slash = path.find('/');
  const auto segment = path.substr(0, slash);
  path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
  return segment;
}

// FNV-1a, one byte more: hosts and segments are short.
constexpr std::uint64_t kHashOfNothing = 0xcbf29ce484222325;
constexpr std::uint64_t hash_with(std::uint64_t hash, char c) {
  return (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
}

// Most nodes on a path have no candidates of their own: those cost no call.
inline std::optional<std::uint32_t> first_passing(const std::vector<RouteMatch>& candidates,
                                                  const RouteQuery& query, std::string_view path) {
  if (candidates.empty()) [[likely]] {
    return std::nullopt;
  }
  for (const auto& candidate : candidates) {
    if (candidate.passes(query, path)) return candidate.index();
  }
  return std::nullopt;
}

}  // namespace

std::size_t RouteTable::HostHash::operator()(std::string_view text) const {
  std::uint64_t hash = kHashOfNothing;
  for (const char c : text) hash = hash_with(hash, lower(c));
  return hash;
}

RouteTable::Segment::Segment(std::string_view path) : text(path), hash(kHashOfNothing) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '/') {
      text = {path.data(), i};
      return;
    }
    hash = hash_with(hash, path[i]);
  }
}

bool RouteTable::HostEqual::operator()(std::string_view a, std::string_view b) const {
  return std::ranges::equal(a, b, {}, lower, lower);
}

// Building.

RouteTable::RouteTable(const std::vector<config::Route>& routes) {
  for (std::uint32_t index = 0; index < routes.size(); ++index) {
    const auto& match = routes[index].match;
    const auto add_to = [&](HostRoutes& host) {
      RouteMatch candidate(match, index);
      Candidates& candidates = host.candidates_for(match);
      const auto before = std::ranges::find_if(
          candidates, [&](const RouteMatch& other) { return candidate.precedes(other); });
      candidates.insert(before, std::move(candidate));
    };
    if (match.hosts.empty()) add_to(any_host_);
    for (const auto& host : match.hosts) add_to(routes_of(host));
  }
}

RouteTable::HostRoutes& RouteTable::routes_of(std::string_view host) {
  host = host_only(host);
  if (host == "*") return any_host_;
  if (!host.starts_with("*.")) return exact_hosts_[std::string(host)];
  host.remove_prefix(2);
  longest_wildcard_ = std::max(longest_wildcard_, host.size());
  return wildcard_hosts_[std::string(host)];
}

RouteTable::Candidates& RouteTable::HostRoutes::candidates_for(const config::Match& match) {
  const ComparablePath path(match.path);
  switch (match.path_kind) {
    case config::Match::PathKind::Exact:
      return exact[std::string(path.view())];
    case config::Match::PathKind::Prefix:
      return prefixes[add_prefix(path.view())].candidates;
    case config::Match::PathKind::Regex:
      return regexes;
    case config::Match::PathKind::Any:
      break;
  }
  return any_path;
}

std::uint32_t RouteTable::HostRoutes::add_prefix(std::string_view prefix) {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  std::uint32_t node = 0;
  if (prefix.empty()) return node;
  prefix.remove_prefix(1);
  for (bool more = true; more;) {
    more = prefix.find('/') != std::string_view::npos;
    const auto segment = std::string(take_segment(prefix));
    const auto next = static_cast<std::uint32_t>(prefixes.size());
    const auto [child, added] = prefixes[node].children.try_emplace(segment, next);
    if (added) prefixes.emplace_back().parent = node;
    node = added ? next : child->second;
  }
  return node;
}

// Finding.

std::optional<std::uint32_t> RouteTable::find(const RouteQuery& query) const {
  const ComparablePath path(query.path);
  if (exact_hosts_.empty() && longest_wildcard_ == 0) return any_host_.find(query, path.view());
  const auto host = host_only(query.host);
  if (const auto found = exact_hosts_.find(host); found != exact_hosts_.end()) {
    if (const auto route = found->second.find(query, path.view())) return route;
  }
  // From the longest; a rest that is longer than any wildcard is not worth its hash.
  for (auto dot = host.find('.'); longest_wildcard_ > 0 && dot != host.npos;
       dot = host.find('.', dot + 1)) {
    const auto rest = host.substr(dot + 1);
    if (rest.size() > longest_wildcard_ || dot == 0) continue;
    const auto found = wildcard_hosts_.find(rest);
    if (found == wildcard_hosts_.end()) continue;
    if (const auto route = found->second.find(query, path.view())) return route;
  }
  return any_host_.find(query, path.view());
}

std::optional<std::uint32_t> RouteTable::HostRoutes::find(const RouteQuery& query,
                                                          std::string_view path) const {
  if (!exact.empty()) {
    const auto found = exact.find(path);
    const auto route =
        found == exact.end() ? std::nullopt : first_passing(found->second, query, path);
    if (route) return route;
  }
  for (auto node = longest_prefix(path);; node = prefixes[node].parent) {
    if (const auto route = first_passing(prefixes[node].candidates, query, path)) return route;
    if (node == 0) break;
  }
  if (const auto route = first_passing(regexes, query, path)) return route;
  return first_passing(any_path, query, path);
}

// The deepest node that `path` lies under; it may be one on the way to a prefix, without routes.
std::uint32_t RouteTable::HostRoutes::longest_prefix(std::string_view path) const {
  std::uint32_t node = 0;
  if (!path.starts_with('/') || prefixes[node].children.empty()) return node;
  path.remove_prefix(1);
  while (!prefixes[node].children.empty()) {
    const Segment segment(path);
    const auto child = prefixes[node].children.find(segment);
    if (child == prefixes[node].children.end()) return node;
    node = child->second;
    if (segment.text.size() == path.size()) return node;
    path.remove_prefix(segment.text.size() + 1);
  }
  return node;
}

}  // namespace outrigger::exchange
