// Where requests go: in circles, nowhere, or with the wrong name.
#include <algorithm>
#include <deque>

#include "config/address.h"
#include "proxy/lint/rules.h"

namespace outrigger::lint {
namespace {

using config::Upstream;

bool is_wildcard(const config::Address& address) {
  return address.host == "0.0.0.0" || address.host == "::";
}

bool leads_to(const config::Endpoint& endpoint, const config::Listener& listener) {
  const auto there = config::parse_address(endpoint.address);
  const auto here = config::parse_address(listener.address);
  if (!there || !here) return false;
  const auto &to = there.value(), &at = here.value();
  if (to.is_unix() || at.is_unix()) return to.unix_path == at.unix_path;
  if (to.port != at.port) return false;
  return to.host == at.host || (to.is_loopback() && (at.is_loopback() || is_wildcard(at)));
}

bool leads_to(const Upstream& upstream, const config::Listener& listener) {
  return std::ranges::any_of(upstream.endpoints,
                             [&](const auto& each) { return leads_to(each, listener); });
}

// Every endpoint of `other` is one of `upstream`.
bool is_within(const Upstream& other, const Upstream& upstream) {
  return std::ranges::all_of(other.endpoints, [&](const config::Endpoint& each) {
    return std::ranges::find(upstream.endpoints, each.address, &config::Endpoint::address) !=
           upstream.endpoints.end();
  });
}

// The listeners of this very file that requests to `upstream` come through, however far.
bool comes_back(const Upstream& upstream, const config::Listener& target, const Subject& subject) {
  std::set<const config::Listener*> seen;
  std::deque<const Upstream*> open{&upstream};
  while (!open.empty()) {
    const Upstream& next = *open.front();
    open.pop_front();
    for (const config::Listener& listener : subject.config().listeners) {
      if (seen.contains(&listener) || !leads_to(next, listener)) continue;
      if (&listener == &target) return true;
      seen.insert(&listener);
      for (const config::Route& route : listener.routes) {
        if (const Upstream* to = subject.upstream(route.upstream.value_or(""))) open.push_back(to);
      }
    }
  }
  return false;
}

bool has_host_name(const Upstream& upstream) {
  return std::ranges::any_of(upstream.endpoints, [](const config::Endpoint& each) {
    const auto address = config::parse_address(each.address);
    return address && !address.value().is_unix() && !address.value().is_literal() &&
           !address.value().is_loopback();
  });
}

}  // namespace

void fallback_loop(const RouteAt& at, const Subject& subject, Findings& out) {
  if (!at.route.fallback || !at.route.fallback->upstream) return;
  const std::string path = at.path + ".fallback.upstream";
  const std::string& name = *at.route.fallback->upstream;
  const auto own = at.upstreams();
  const Upstream* to = subject.upstream(name);
  if (!to) return;
  if (std::ranges::all_of(own, [&](const std::string& each) { return each == name; })) {
    return out.add(path, subject.shown(path, name) + " is the upstream that has just failed");
  }
  if (own.size() == 1) {
    const Upstream* from = subject.upstream(own[0]);
    if (from && is_within(*to, *from)) {
      const auto count = to->endpoints.size();
      return out.add(
          path,
          (count == 1 ? "the endpoint of " : "the " + std::to_string(count) + " endpoints of ") +
              subject.shown(path, name) + (count == 1 ? " is one of those of " : " are those of ") +
              config::in_quotes(from->name) + ", which has just failed");
    }
  }
  if (comes_back(*to, at.listener, subject)) {
    out.add(path, subject.shown(path, name) + " leads back to " + at.listener_path +
                      ", which the request came from");
  }
}

void loopback_host_passthrough(const RouteAt& at, const Subject& subject, Findings& out) {
  const auto& listener = at.listener;
  const auto& rewrite = at.route.rewrite;
  if (listener.direction != config::Direction::Outbound || !at.route.match.hosts.empty()) return;
  if (rewrite && (rewrite->host || rewrite->host_auto)) return;
  const auto address = config::parse_address(listener.address);
  if (!address || !address.value().is_loopback()) return;
  const auto names = at.upstreams();
  const auto named = std::ranges::find_if(names, [&](const std::string& name) {
    const Upstream* upstream = subject.upstream(name);
    return upstream && has_host_name(*upstream);
  });
  if (named == names.end()) return;
  out.add(subject.written(at.path + ".upstream", at.path + ".split"),
          config::in_quotes(*named) +
              " is called by a host name, but gets the Host that callers of " +
              "the listener send, which is " +
              subject.shown(at.listener_path + ".address", listener.address) +
              " where they use its address");
}

void unused_upstream(const UpstreamAt& at, const Subject& subject, Findings& out) {
  if (subject.is_used(at.upstream.name)) return;
  out.add(at.path, "no route, split, fallback or mirror leads to it");
}

}  // namespace outrigger::lint
