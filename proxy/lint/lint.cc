#include "proxy/lint/lint.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <variant>

#include "proxy/lint/rules.h"

namespace outrigger::lint {
namespace {

using OfRoute = void (*)(const RouteAt&, const Subject&, Findings&);
using OfUpstream = void (*)(const UpstreamAt&, const Subject&, Findings&);
using OfFile = void (*)(const Subject&, Findings&);

struct Rule {
  std::string_view name;
  std::variant<OfRoute, OfUpstream, OfFile> look;
};

// In the order of config/warnings.h.
constexpr std::array<Rule, config::kWarnings.size()> kRules = {{
    {"per-try-not-below-request", per_try_not_below_request},
    {"retries-exceed-request", retries_exceed_request},
    {"per-try-without-retry", per_try_without_retry},
    {"hedge-after-beyond-per-try", hedge_after_beyond_per_try},
    {"hedge-after-beyond-request", hedge_after_beyond_request},
    {"method-never-retried", method_never_retried},
    {"ejection-impossible", ejection_impossible},
    {"breaker-never-opens", breaker_never_opens},
    {"breaker-without-ejection", breaker_without_ejection},
    {"rate-limit-per-sidecar", rate_limit_per_sidecar},
    {"retries-without-budget", retries_without_budget},
    {"idle-beyond-keepalive", idle_beyond_keepalive},
    {"fallback-loop", fallback_loop},
    {"delete-retried", delete_retried},
    {"panic-before-ejection-cap", panic_before_ejection_cap},
    {"single-address-service", single_address_service},
    {"outbound-not-loopback", outbound_not_loopback},
    {"loopback-host-passthrough", loopback_host_passthrough},
    {"request-timeout-unbounded-stream", request_timeout_unbounded_stream},
    {"health-check-load", health_check_load},
    {"fd-limit", fd_limit},
    {"drain-beyond-grace", drain_beyond_grace},
    {"unused-upstream", unused_upstream},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kRules.size(); ++i) {
    if (kRules[i].name != config::kWarnings[i].name) return false;
  }
  return true;
}
static_assert(in_order(), "a rule for each warning");

struct Look {
  const Subject& subject;
  Findings& out;

  void operator()(OfFile rule) const { rule(subject, out); }
  void operator()(OfRoute rule) const {
    for (const RouteAt& at : subject.routes()) rule(at, subject, out);
  }
  void operator()(OfUpstream rule) const {
    for (const UpstreamAt& at : subject.upstreams()) rule(at, subject, out);
  }
};

std::string to_text(const std::string& file, const Warning& warning) {
  return file + ":" + std::to_string(warning.found.line) + ":" +
         std::to_string(warning.found.column) + ": warning[" + std::string{warning.name} +
         "]: " + warning.found.path + ": " + warning.found.message;
}

}  // namespace

std::vector<std::string> lines(const std::string& file, const std::vector<Warning>& warnings) {
  std::vector<std::string> lines;
  for (const Warning& warning : warnings) {
    if (lines.size() == kMaxLines) {
      lines.push_back(file + ": … and " + std::to_string(warnings.size() - kMaxLines) + " more");
      break;
    }
    lines.push_back(to_text(file, warning));
  }
  return lines;
}

std::vector<Warning> warnings(const config::Config& config, const config::Places& places,
                              const Surroundings& surroundings) {
  const Subject subject{config, places, surroundings};
  Findings findings{places};
  for (std::size_t i = 0; i < kRules.size(); ++i) {
    if (std::ranges::find(config.check.ignore, kRules[i].name) != config.check.ignore.end()) {
      continue;
    }
    findings.begin(config::kWarnings[i]);
    std::visit(Look{subject, findings}, kRules[i].look);
  }
  return findings.take();
}

Surroundings surroundings() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY) return {};
  return {.max_descriptors = limit.rlim_max};
}

}  // namespace outrigger::lint
