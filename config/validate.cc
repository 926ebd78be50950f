#include "config/validate.h"

#include <algorithm>

#include "config/address.h"
#include "config/diagnostic.h"

namespace outrigger::config {
namespace {

std::string at(const std::string& path, std::size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

bool is_local(const std::string& text) {
  const auto address = parse_address(text);
  return address && (address.value().is_unix() || address.value().is_loopback());
}

bool has_fixed_port(const std::string& text) {
  const auto address = parse_address(text);
  return address && (address.value().is_unix() || address.value().port != 0);
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// As requests are compared: escapes of unreserved characters decoded (RFC 3986, 6.2.2.2).
std::string decoded(const std::string& path) {
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const bool escape =
        path[i] == '%' && i + 2 < path.size() && hex(path[i + 1]) >= 0 && hex(path[i + 2]) >= 0;
    const char c = escape ? static_cast<char>(hex(path[i + 1]) * 16 + hex(path[i + 2])) : path[i];
    if (escape && !is_unreserved(c)) {
      out += path[i];
      continue;
    }
    out += c;
    if (escape) i += 2;
  }
  return out;
}

std::string compared_path(const Match& match) {
  if (match.path_kind == Match::PathKind::Regex) return match.path;
  std::string path = decoded(match.path);
  if (match.path_kind == Match::PathKind::Prefix && path.size() > 1 && path.ends_with('/')) {
    path.pop_back();
  }
  return path;
}

void append_sorted(std::string& text, std::vector<std::string> words) {
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  for (const std::string& word : words) text += word + '\n';
  text += '\0';
}

// The same for two matches exactly where the same requests match both, with the same rank.
std::string fingerprint(const Match& match) {
  std::string text = std::to_string(static_cast<int>(match.path_kind)) + compared_path(match);
  text += '\0';
  append_sorted(text, match.hosts);
  append_sorted(text, match.methods);
  std::vector<std::string> headers;
  for (const HeaderMatch& header : match.headers) {
    std::string name = header.name;
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    headers.push_back(name + ':' + std::to_string(static_cast<int>(header.kind)) + header.value);
  }
  append_sorted(text, std::move(headers));
  std::vector<std::string> query;
  for (const QueryMatch& each : match.query) {
    query.push_back(each.name + '=' + std::to_string(static_cast<int>(each.kind)) + each.value);
  }
  append_sorted(text, std::move(query));
  return text;
}

class Validation {
 public:
  Validation(const Config& config, const Reader& read, Diagnostics& diagnostics)
      : config_(config), read_(read), diagnostics_(diagnostics) {
    for (const Upstream& upstream : config.upstreams) upstreams_.push_back(upstream.name);
  }

  void run() {
    check_admin();
    for (std::size_t i = 0; i < config_.listeners.size(); ++i) {
      check_listener(config_.listeners[i], at("listeners", i));
    }
    for (std::size_t i = 0; i < config_.ready.upstreams.size(); ++i) {
      check_reference(config_.ready.upstreams[i], at("ready.upstreams", i));
    }
    for (const Upstream& upstream : config_.upstreams) {
      check_endpoints(upstream, "upstreams." + upstream.name + ".endpoints");
      check_load_balancer(upstream.load_balancer, "upstreams." + upstream.name + ".load_balancer");
    }
  }

 private:
  using Seen = std::map<std::string, std::string, std::less<>>;  // what to the path of the first

  bool given(const std::string& path) const { return read_.places().contains(path); }
  bool faulty(const std::string& path) const { return read_.faulty().contains(path); }

  void fail(const std::string& path, std::string message) {
    diagnostics_.add(place_of(read_.places(), path), path, std::move(message));
  }

  void unique(Seen& seen, const std::string& what, const std::string& value,
              const std::string& path) {
    if (value.empty() || faulty(path)) return;
    const auto [first, fresh] = seen.emplace(value, path);
    if (fresh) return;
    fail(path, what + " " + shown(value, path) + " is already that of " + first->second);
  }
  std::string shown(const std::string& value, const std::string& path) const {
    return config_.from_environment.contains(path) ? "(from the environment)" : in_quotes(value);
  }
  void claim(const std::string& address, const std::string& path) {
    if (has_fixed_port(address)) unique(addresses_, "the address", address, path);
  }

  void check_admin() {
    if (config_.admin && !faulty("admin.address")) {
      const Admin& admin = *config_.admin;
      claim(admin.address, "admin.address");
      if (!is_local(admin.address) && !admin.token_file && !faulty("admin.token_file")) {
        fail("admin.address", "an address that others can reach needs a token_file");
      }
    }
    if (config_.metrics.address) claim(*config_.metrics.address, "metrics.address");
  }

  void check_listener(const Listener& listener, const std::string& path) {
    unique(listener_names_, "the name", listener.name, path + ".name");
    claim(listener.address, path + ".address");
    const bool readable = !listener.address.empty() && !faulty(path + ".address");
    if (readable && !given(path + ".direction") && !is_local(listener.address)) {
      fail(path + ".direction",
           "missing (expected inbound or outbound, since the address is not loopback)");
    }
    Seen matches;
    for (std::size_t i = 0; i < listener.routes.size(); ++i) {
      check_route(listener, i, at(path + ".routes", i), matches);
    }
  }

  void check_route(const Listener& listener, std::size_t index, const std::string& path,
                   Seen& matches) {
    const Route& route = listener.routes[index];
    if (listener.routes.size() > 1 && !given(path + ".name")) {
      fail(path + ".name", "missing (required where a listener has more than one route)");
    }
    unique(route_names_, "the name", route.name, path + ".name");
    check_route_references(route, path);
    if (has_fault_below(path + ".match") || faulty(path)) return;
    const auto [first, fresh] = matches.emplace(fingerprint(route.match), path);
    if (!fresh) {
      fail(path + ".match", "matches the same requests as " + first->second +
                                ", so that one of the two is never used");
    }
  }

  void check_route_references(const Route& route, const std::string& path) {
    if (route.upstream) check_reference(*route.upstream, path + ".upstream");
    if (route.fallback && route.fallback->upstream) {
      check_reference(*route.fallback->upstream, path + ".fallback.upstream");
    }
    if (route.mirror) check_reference(route.mirror->upstream, path + ".mirror.upstream");
    if (!route.split) return;
    const std::string list = given(path + ".split.to") ? path + ".split.to" : path + ".split";
    for (std::size_t i = 0; i < route.split->to.size(); ++i) {
      check_reference(route.split->to[i].upstream, at(list, i) + ".upstream");
    }
  }

  bool has_fault_below(const std::string& path) const {
    const auto first = read_.faulty().lower_bound(path);
    return first != read_.faulty().end() && first->starts_with(path);
  }

  void check_reference(const std::string& name, const std::string& path) {
    if (faulty(path) || !given(path) || name.empty()) return;
    if (std::find(upstreams_.begin(), upstreams_.end(), name) != upstreams_.end()) return;
    std::vector<std::string_view> known{upstreams_.begin(), upstreams_.end()};
    std::string hint = did_you_mean(name, known);
    if (hint.empty()) {
      hint = known.empty()      ? "there are none"
             : known.size() > 8 ? "expected a name under 'upstreams'"
                                : "expected " + one_of(known);
    }
    fail(path, "there is no upstream " + shown(name, path) + " (" + hint + ")");
  }

  void check_load_balancer(const LoadBalancer& balancer, const std::string& path) {
    const bool hashes = balancer.policy == LoadBalancerPolicy::RingHash ||
                        balancer.policy == LoadBalancerPolicy::Maglev;
    if (hashes && !balancer.hash_on && !has_fault_below(path)) {
      fail(path + ".hash_on",
           "missing (expected source_ip, path, header or cookie for this policy)");
    }
  }

  void check_endpoints(const Upstream& upstream, const std::string& path) {
    if (upstream.endpoints.empty() && given(path) && !faulty(path)) {
      fail(path, "empty (expected at least one endpoint)");
    }
    Seen addresses;
    for (std::size_t i = 0; i < upstream.endpoints.size(); ++i) {
      unique(addresses, "the address", upstream.endpoints[i].address, at(path, i));
    }
  }

  const Config& config_;
  const Reader& read_;
  Diagnostics& diagnostics_;
  std::vector<std::string> upstreams_;
  Seen listener_names_;
  Seen route_names_;
  Seen addresses_;
};

}  // namespace

void validate(const Config& config, const Reader& read, Diagnostics& diagnostics) {
  Validation{config, read, diagnostics}.run();
}

}  // namespace outrigger::config
