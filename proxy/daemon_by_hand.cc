// What people do to the running daemon through the admin interface: endpoints out and back,
// breakers open and closed, faults, the log's level. Each is told in /events.

#include <algorithm>
#include <array>
#include <chrono>

#include "config/load.h"
#include "config/quantity.h"
#include "proxy/base/log.h"
#include "proxy/daemon.h"
#include "proxy/policy/fault_injection.h"

namespace outrigger {
namespace {

using admin::Reply;
using admin::text_reply;
using exchange::EventKind;

constexpr const char* kFaultsOff = "the configuration does not allow it: admin.faults is off";
constexpr std::size_t kMaxNamed = 20;  // of what exists, in an answer
constexpr std::array<std::string_view, 5> kLevels = {"trace", "debug", "info", "warn", "error"};

std::chrono::sys_seconds wall_clock() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// "no route 'x'; there are a, b and 3 more"
Reply no_such(std::string_view what, const std::string& name,
              const std::vector<std::string>& existing) {
  std::string list;
  for (std::size_t i = 0; i < std::min(existing.size(), kMaxNamed); ++i) {
    list += (i > 0 ? ", " : "") + existing[i];
  }
  if (existing.size() > kMaxNamed) {
    list += fmt::format(" and {} more", existing.size() - kMaxNamed);
  }
  const std::string there = list.empty() ? "there is none" : "there are: " + list;
  return text_reply(404, fmt::format("no {} '{}'; {}", what, name, there));
}

template <class Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, value] : map) names.push_back(name);
  return names;
}

std::vector<std::string> addresses_of(const exchange::UpstreamLive& upstream) {
  std::vector<std::string> addresses;
  for (const auto& endpoint : upstream.endpoints) addresses.push_back(endpoint.address);
  return addresses;
}

std::string text_of(const config::Fault& fault) {
  std::string text;
  if (fault.delay) {
    text += fmt::format("{} % delayed by {:.3f} s, ", fault.delay->percent,
                        seconds(fault.delay->duration));
  }
  if (fault.abort) {
    text += fmt::format("{} % aborted with {}, ", fault.abort->percent,
                        fault.abort->status == 0 ? "a reset" : std::to_string(fault.abort->status));
  }
  return text + "until " + config::timestamp_text(*fault.until);
}

}  // namespace

Reply Daemon::eject(const std::string& upstream, const std::string& endpoint) {
  using ByHand = upstream::ClusterState::ByHand;
  const auto found = upstreams_.find(upstream);
  if (found == upstreams_.end()) return no_such("upstream", upstream, names_of(upstreams_));
  const auto now = loop_.now();
  switch (found->second->eject_by_hand(endpoint, now)) {
    case ByHand::Done:
      return text_reply(200, "ejected until restored");
    case ByHand::AlreadySo:
      return text_reply(200, "it was ejected by hand already");
    case ByHand::NoSuchEndpoint:
      break;
  }
  return no_such("endpoint", endpoint, addresses_of(found->second->live(now)));
}

Reply Daemon::restore(const std::string& upstream, const std::string& endpoint) {
  using ByHand = upstream::ClusterState::ByHand;
  const auto found = upstreams_.find(upstream);
  if (found == upstreams_.end()) return no_such("upstream", upstream, names_of(upstreams_));
  const auto now = loop_.now();
  switch (found->second->restore_by_hand(endpoint, now)) {
    case ByHand::Done:
      return text_reply(200, "restored");
    case ByHand::AlreadySo:
      return text_reply(200, "it was not ejected");
    case ByHand::NoSuchEndpoint:
      break;
  }
  return no_such("endpoint", endpoint, addresses_of(found->second->live(now)));
}

Reply Daemon::set_breaker(Scope scope, const std::string& name, policy::CircuitByHand by_hand) {
  if (scope == Scope::Route) {
    const auto found = routes_.find(name);
    if (found == routes_.end()) return no_such("route", name, names_of(routes_));
    found->second->set_breaker_by_hand(by_hand);
  } else {
    const auto found = upstreams_.find(name);
    if (found == upstreams_.end()) return no_such("upstream", name, names_of(upstreams_));
    found->second->set_breaker_by_hand(by_hand);
  }
  const bool is_auto = by_hand == policy::CircuitByHand::Auto;
  return text_reply(200,
                    is_auto ? "automatic" : fmt::format("{} by hand, until auto", label(by_hand)));
}

// Faults.

// Why the configuration does not allow this fault of run time; empty where it does.
std::optional<std::string> Daemon::fault_refusal(const std::string& route,
                                                 const config::Fault& fault) const {
  if (!config_->admin || !config_->admin->faults) return kFaultsOff;
  for (const config::Listener& listener : config_->listeners) {
    const auto found = std::ranges::find(listener.routes, route, &config::Route::name);
    if (found == listener.routes.end() || found->forwards()) continue;
    return "the route asks no upstream, it answers by itself";
  }
  return policy::refusal(fault, *config_->admin->faults, wall_clock());
}

Reply Daemon::set_fault(const std::string& route, std::string_view body) {
  if (!config_->admin || !config_->admin->faults) {
    return text_reply(403, kFaultsOff);
  }
  const auto found = routes_.find(route);
  if (found == routes_.end()) return no_such("route", route, names_of(routes_));
  const auto fault = config::load_fault(body);
  if (!fault) {
    std::string report = config::to_text("body", fault.error());
    report.pop_back();  // its line end
    return text_reply(400, std::move(report));
  }
  if (auto why = fault_refusal(route, fault.value())) return text_reply(422, std::move(*why));
  found->second->faults().set_at_run_time(fault.value());
  const std::string cause = text_of(fault.value());
  log::warn("route {}: fault set by hand: {}", route, cause);
  events_.add({.kind = EventKind::Fault,
               .scope = "route",
               .name = route,
               .to = "set",
               .cause = cause,
               .by_hand = true});
  return text_reply(200, cause);
}

Reply Daemon::remove_fault(const std::string& route) {
  const auto found = routes_.find(route);
  if (found == routes_.end()) return no_such("route", route, names_of(routes_));
  if (!found->second->faults().remove_at_run_time()) {
    return text_reply(404, "there is no fault of run time on this route");
  }
  log::warn("route {}: fault removed by hand", route);
  events_.add({.kind = EventKind::Fault,
               .scope = "route",
               .name = route,
               .to = "ended",
               .cause = "removed",
               .by_hand = true});
  return text_reply(200, "removed");
}

// Those of run time whose until has come, or that a reload allows no more.
void Daemon::end_faults() {
  for (const auto& [name, state] : routes_) {
    const auto fault = state->faults().at_run_time();
    if (!fault) continue;
    auto why = fault_refusal(name, fault->settings());
    if (!why) continue;
    if (policy::over(fault->settings(), wall_clock())) why = "its until has come";
    state->faults().remove_at_run_time();
    log::info("route {}: fault ended: {}", name, *why);
    events_.add({.kind = EventKind::Fault,
                 .scope = "route",
                 .name = name,
                 .to = "ended",
                 .cause = std::move(*why)});
  }
}

// The log.

Reply Daemon::set_log_level(const std::string& level) {
  const auto found = std::ranges::find(kLevels, level);
  if (found == kLevels.end()) {
    return no_such("level", level, {kLevels.begin(), kLevels.end()});
  }
  log::configure(static_cast<log::Level>(found - kLevels.begin()),
                 static_cast<log::Format>(config_->log.format));
  events_.add({.kind = EventKind::LogLevel, .to = *found, .by_hand = true});
  return text_reply(200, "log level " + level + ", until the next reload");
}

}  // namespace outrigger
