// Ejection that cannot happen, and what takes its effect away.
#include <algorithm>
#include <cmath>

#include "config/address.h"
#include "config/quantity.h"
#include "proxy/lint/rules.h"

namespace outrigger::lint {
namespace {

using config::decimal_text;

bool has_detector(const config::OutlierDetection& detection) {
  return detection.consecutive_local_origin_failures || detection.consecutive_gateway_errors ||
         detection.consecutive_5xx || detection.success_rate || detection.failure_percentage ||
         detection.latency;
}

std::size_t labels_in(std::string_view text) {
  return text.empty() ? 0 : 1 + static_cast<std::size_t>(std::ranges::count(text, '.'));
}

// NAME.NAMESPACE.svc, with or without the cluster's domain; a pod's name has one label more, and
// one that says headless means it.
bool is_service(std::string_view host) {
  const auto svc = host.find(".svc");
  if (svc == std::string_view::npos || host.find("headless") != std::string_view::npos)
    return false;
  const auto end = svc + 4;
  return (end == host.size() || host[end] == '.') && labels_in(host.substr(0, svc)) == 2;
}

bool is_bare_name(const config::Address& address) {
  return labels_in(address.host) == 1 && !address.is_literal() && !address.is_loopback();
}

// A detector that was written, and asks for more endpoints than there are.
void check_size(const UpstreamAt& at, const Subject& subject, Findings& out, std::size_t count,
                const char* detector, std::uint32_t min_endpoints) {
  const std::string path = at.path + ".outlier_detection." + detector;
  if (min_endpoints <= count || !subject.given(path)) return;
  out.add(path,
          "judges from min_endpoints " + std::to_string(min_endpoints) + ", and there are " +
              std::to_string(count) + ": it never ejects",
          std::string{"lower min_endpoints, or set "} + detector + ": off");
}

void check_sizes(const UpstreamAt& at, const Subject& subject, Findings& out, std::size_t count) {
  const auto& detection = *at.upstream.outlier_detection;
  if (const auto& d = detection.success_rate) {
    check_size(at, subject, out, count, "success_rate", d->min_endpoints);
  }
  if (const auto& d = detection.failure_percentage) {
    check_size(at, subject, out, count, "failure_percentage", d->min_endpoints);
  }
  if (const auto& d = detection.latency) {
    check_size(at, subject, out, count, "latency", d->min_endpoints);
  }
}

}  // namespace

std::size_t allowed_ejections(const config::OutlierDetection& detection, std::size_t count) {
  const auto share = std::floor(static_cast<double>(count) * detection.max_ejection_percent / 100);
  const bool at_least_one = count >= 2 && detection.max_ejection_percent > 0;
  return count < 2 ? 0 : std::max<std::size_t>(static_cast<std::size_t>(share), at_least_one);
}

bool ejects(const std::optional<config::OutlierDetection>& detection) {
  return detection && detection->mode == config::PolicyMode::Enforce && has_detector(*detection) &&
         detection->max_ejection_percent > 0;
}

void ejection_impossible(const UpstreamAt& at, const Subject& subject, Findings& out) {
  const auto& detection = at.upstream.outlier_detection;
  const std::string path = at.path + ".outlier_detection";
  if (!detection || !subject.given(path)) return;
  if (!has_detector(*detection)) {
    return out.add(path, "every detector is off: nothing is ever ejected",
                   "switch one on, or set outlier_detection: off");
  }
  if (detection->mode == config::PolicyMode::Observe) return;
  if (detection->max_ejection_percent == 0) {
    return out.add(path + ".max_ejection_percent", "0 allows no ejection at all",
                   "raise it, or say mode: observe");
  }
  const auto count = at.endpoint_count();
  if (!count) return;
  if (*count == 1) {
    // Defaults for all upstreams are no mistake of this one.
    if (!subject.own(at, "outlier_detection")) return;
    return out.add(path, "there is 1 endpoint, and a lone one is never ejected",
                   "add endpoints, let a circuit_breaker do it, or set outlier_detection: off");
  }
  if (detection->min_available >= *count) {
    return out.add(subject.written(path + ".min_available", path),
                   "min_available " + std::to_string(detection->min_available) + " of " +
                       std::to_string(*count) + " endpoints leaves none to eject",
                   "lower min_available to " + std::to_string(*count - 1) + " or less");
  }
  check_sizes(at, subject, out, *count);
}

void panic_before_ejection_cap(const UpstreamAt& at, const Subject& subject, Findings& out) {
  const auto& panic = at.upstream.load_balancer.panic_threshold_percent;
  const std::string path = at.path + ".load_balancer.panic_threshold_percent";
  if (!panic || !ejects(at.upstream.outlier_detection)) return;
  // Without health checks nothing comes of the default; whoever writes a threshold means to.
  if (!at.upstream.health_check && !subject.given(path)) return;
  const auto& detection = *at.upstream.outlier_detection;
  const double cap = detection.max_ejection_percent;
  const auto count = at.endpoint_count();
  std::string numbers;
  if (count) {
    const auto allowed = allowed_ejections(detection, *count);
    std::size_t failing = 0;
    while (static_cast<double>(*count - failing) * 100 >= *panic * static_cast<double>(*count) &&
           failing < *count) {
      ++failing;
    }
    if (failing == 0 || failing > allowed) return;
    numbers = ": with " + std::to_string(failing) + " of " + std::to_string(*count) +
              " endpoints failing, where " + std::to_string(allowed) + " may be ejected";
  } else if (*panic <= 100 - cap) {
    return;
  }
  if (!at.upstream.health_check) numbers += " (once there is a health_check)";
  out.add(path,
          "health is ignored once fewer than " + decimal_text(*panic) +
              " % pass their checks, while max_ejection_percent " + decimal_text(cap) +
              " still allows ejections" + numbers,
          "lower panic_threshold_percent to " + decimal_text(100 - cap) +
              " or less, or lower max_ejection_percent");
}

void single_address_service(const UpstreamAt& at, const Subject& subject, Findings& out) {
  if (at.upstream.endpoints.size() != 1) return;
  const auto address = config::parse_address(at.upstream.endpoints[0].address);
  if (!address || address.value().is_unix()) return;
  if (!is_bare_name(address.value()) && !is_service(address.value().host)) return;
  const std::string path = item(at.path + ".endpoints", 0);
  const std::string host = config::in_quotes(address.value().host);
  out.add(path, (subject.config().from_environment.contains(path) ? "this name" : host) +
                    " is 1 address where it names an ordinary Service: ejection, hedging and "
                    "other_endpoint have no second endpoint, and the Service picks the pod");
}

}  // namespace outrigger::lint
