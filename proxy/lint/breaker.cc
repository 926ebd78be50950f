// Circuits that never open, or for the wrong reason.
#include <algorithm>
#include <cmath>

#include "config/quantity.h"
#include "proxy/lint/rules.h"

namespace outrigger::lint {
namespace {

using namespace std::chrono_literals;
using config::decimal_text;

// More than any sidecar sees.
constexpr double kMostRequestsPerSecond = 10'000;

double seconds(Duration time) {
  return static_cast<double>(time.count()) / 1e9;
}

// When at the latest the head of a response is there, or never comes.
std::optional<Duration> head_bound(const RouteAt& at) {
  const auto& timeouts = at.route.timeouts;
  if (!timeouts.request || !timeouts.per_try) {
    return timeouts.request ? timeouts.request : timeouts.per_try;
  }
  return std::min(*timeouts.request, *timeouts.per_try);
}

std::optional<Duration> head_bound(const std::vector<const RouteAt*>& users) {
  std::optional<Duration> longest;
  for (const RouteAt* user : users) {
    const auto bound = head_bound(*user);
    if (!bound) return std::nullopt;
    longest = std::max(longest.value_or(*bound), *bound);
  }
  return longest;
}

// A breaker, and what is known of what it will see.
struct Circuit {
  const config::CircuitBreaker& breaker;
  std::string path;
  std::optional<Duration> head_bound;
  std::optional<double> most;  // outcomes in its window, where rate limits bound them
};

// What a route's rate_limit lets through in a window; empty: anything.
std::optional<double> let_through(const config::Route& route, Duration window) {
  const auto& limit = route.rate_limit;
  if (!limit || limit->key) return std::nullopt;
  const double burst = limit->burst.value_or(limit->requests);
  return burst + seconds(window) * limit->requests / seconds(limit->per);
}

// The tries of all routes that lead to an upstream.
std::optional<double> let_through(const std::vector<const RouteAt*>& users, Duration window) {
  double sum = 0;
  for (const RouteAt* user : users) {
    const auto most = let_through(user->route, window);
    if (!most) return std::nullopt;
    sum += *most * (1 + user->extra_tries());
  }
  return sum;
}

// Why the window never holds min_requests outcomes; empty: it may.
std::string unreachable(const Circuit& circuit) {
  const auto& breaker = circuit.breaker;
  const double window = seconds(breaker.window);
  const double needed = breaker.min_requests / window;
  if (needed >= kMostRequestsPerSecond) {
    return "which is " + decimal_text(std::floor(needed)) + " requests a second";
  }
  if (!circuit.most || *circuit.most >= breaker.min_requests) return "";
  return "rate_limit lets at most " + decimal_text(std::floor(*circuit.most)) + " through";
}

void check(const Circuit& circuit, const Subject& subject, Findings& out) {
  const auto& breaker = circuit.breaker;
  if (breaker.mode == config::PolicyMode::Observe) return;
  const auto& slow = breaker.slow_call;
  if (slow && circuit.head_bound && slow->over >= *circuit.head_bound) {
    out.add(subject.written(circuit.path + ".slow_call.over", circuit.path + ".slow_call"),
            "no response takes longer than over, " + time_text(slow->over) +
                ", for it is given up at " + time_text(*circuit.head_bound) +
                ": slow_call never opens the circuit",
            "lower slow_call.over below " + time_text(*circuit.head_bound));
  }
  if (breaker.failures.empty() && !slow) {
    return out.add(circuit.path + ".failures",
                   "empty, and slow_call is off: nothing ever opens the circuit",
                   "name what is a failure, or set circuit_breaker: off");
  }
  if (breaker.consecutive_failures && !breaker.failures.empty()) return;
  const std::string why = unreachable(circuit);
  if (why.empty()) return;
  out.add(subject.written(circuit.path + ".min_requests", circuit.path),
          std::to_string(breaker.min_requests) + " outcomes in " + time_text(breaker.window) +
              " must be there before a rate opens the circuit: " + why +
              ", and consecutive_failures does not help",
          "lower min_requests, or switch consecutive_failures on");
}

}  // namespace

void breaker_never_opens(const Subject& subject, Findings& out) {
  for (const RouteAt& at : subject.routes()) {
    if (!at.route.circuit_breaker) continue;
    const auto& breaker = *at.route.circuit_breaker;
    // The route's breaker sees an exchange whole, retries and all.
    check({breaker, at.path + ".circuit_breaker", at.route.timeouts.request,
           let_through(at.route, breaker.window)},
          subject, out);
  }
  for (const UpstreamAt& at : subject.upstreams()) {
    if (!at.upstream.circuit_breaker) continue;
    const auto& breaker = *at.upstream.circuit_breaker;
    const auto& users = subject.users(at.upstream.name);
    if (users.empty()) continue;  // which is a warning of its own
    check({breaker, at.path + ".circuit_breaker", head_bound(users),
           let_through(users, breaker.window)},
          subject, out);
  }
}

void breaker_without_ejection(const UpstreamAt& at, const Subject&, Findings& out) {
  const auto& breaker = at.upstream.circuit_breaker;
  const std::size_t count = at.upstream.endpoints.size();
  if (!breaker || breaker->mode == config::PolicyMode::Observe || breaker->failures.empty()) return;
  if (count < 2 || at.upstream.outlier_detection) return;
  // So many failing ones open it although others are well.
  const auto enough = static_cast<std::size_t>(
      std::max(1.0, std::ceil(static_cast<double>(count) * breaker->failure_rate_percent / 100)));
  if (enough >= count) return;
  out.add(at.path + ".circuit_breaker", "outlier_detection is off, so " + std::to_string(enough) +
                                            " of " + std::to_string(count) +
                                            " endpoints that fail (failure_rate_percent " +
                                            decimal_text(breaker->failure_rate_percent) +
                                            ") open the circuit for all, though the rest is well");
}

}  // namespace outrigger::lint
