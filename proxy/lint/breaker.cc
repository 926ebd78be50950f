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
  const config::RateLimit* rate_limit = nullptr;
};

// Why the window never holds min_requests outcomes; empty: it may.
std::string unreachable(const Circuit& circuit) {
  const auto& breaker = circuit.breaker;
  const double window = seconds(breaker.window);
  const double needed = breaker.min_requests / window;
  if (needed >= kMostRequestsPerSecond) {
    return "that are " + decimal_text(std::floor(needed)) + " requests a second";
  }
  const auto* limit = circuit.rate_limit;
  if (!limit || limit->key) return "";
  const double burst = limit->burst.value_or(limit->requests);
  const double most = burst + window * limit->requests / seconds(limit->per);
  if (most >= breaker.min_requests) return "";
  return "the route's rate_limit lets at most " + decimal_text(std::floor(most)) + " through";
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
    const auto& limit = at.route.rate_limit;
    // The route's breaker sees an exchange whole, retries and all.
    check({*at.route.circuit_breaker, at.path + ".circuit_breaker", at.route.timeouts.request,
           limit ? &*limit : nullptr},
          subject, out);
  }
  for (const UpstreamAt& at : subject.upstreams()) {
    if (!at.upstream.circuit_breaker) continue;
    check({*at.upstream.circuit_breaker, at.path + ".circuit_breaker",
           head_bound(subject.users(at.upstream.name))},
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
