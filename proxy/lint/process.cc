// What the process asks of the machine and the network around it.
#include <algorithm>

#include "config/address.h"
#include "proxy/lint/rules.h"

namespace outrigger::lint {
namespace {

using namespace std::chrono_literals;

constexpr Duration kDefaultGrace = 30s;  // terminationGracePeriodSeconds
constexpr Duration kToEnd = 5s;          // what the contract adds for the end itself
constexpr std::uint64_t kDescriptorsNotForCallers = 64;

}  // namespace

void outbound_not_loopback(const Subject& subject, Findings& out) {
  const auto& listeners = subject.config().listeners;
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    if (listeners[i].direction != config::Direction::Outbound) continue;
    const auto address = config::parse_address(listeners[i].address);
    if (!address || address.value().is_unix() || address.value().is_loopback()) continue;
    const auto forwarding = std::ranges::count_if(listeners[i].routes, &config::Route::forwards);
    if (forwarding == 0) continue;
    const std::string path = item("listeners", i) + ".address";
    out.add(path, subject.shown(path, listeners[i].address) +
                      " takes callers from outside, who call the upstreams of its " +
                      counted(static_cast<std::size_t>(forwarding), "route") +
                      " as if they were this service");
  }
}

void fd_limit(const Subject& subject, Findings& out) {
  const auto& limit = subject.surroundings().max_descriptors;
  const std::string path = "overload.max_connections";
  if (!limit || !subject.given(path)) return;
  const std::uint64_t wanted = subject.config().overload.max_connections;
  const std::uint64_t needed = wanted * 2 + kDescriptorsNotForCallers;
  if (needed <= *limit) return;
  const std::uint64_t possible =
      *limit > kDescriptorsNotForCallers ? (*limit - kDescriptorsNotForCallers) / 2 : 0;
  out.add(path, std::to_string(wanted) + " connections need " + std::to_string(needed) +
                    " descriptors, the hard limit here is " + std::to_string(*limit) + ": " +
                    std::to_string(possible) + " will be taken");
}

void drain_beyond_grace(const Subject& subject, Findings& out) {
  const auto& shutdown = subject.config().shutdown;
  const bool delays = shutdown.delay > 0s &&
                      std::ranges::any_of(subject.config().listeners, [](const auto& listener) {
                        return listener.direction == config::Direction::Inbound;
                      });
  const Duration sum = (delays ? shutdown.delay : 0s) + shutdown.drain_timeout + kToEnd;
  if (sum <= kDefaultGrace) return;
  const std::string seconds = std::to_string((sum + 1s - 1ns) / 1s);
  out.add(subject.written("shutdown.drain_timeout", "shutdown.delay"),
          (delays ? "delay " + time_text(shutdown.delay) + ", " : "") + "drain_timeout " +
              time_text(shutdown.drain_timeout) + " and " + time_text(kToEnd) + " are " +
              time_text(sum) + " together, a pod is killed after " + time_text(kDefaultGrace) +
              " by default",
          "set the pod's terminationGracePeriodSeconds to at least " + seconds +
              " and ignore this warning, or shorten them");
}

}  // namespace outrigger::lint
