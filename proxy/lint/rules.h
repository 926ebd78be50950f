// The rules, one a warning of config/warnings.h; lint.cc has the table of both.
#pragma once

#include "proxy/lint/findings.h"
#include "proxy/lint/subject.h"

namespace outrigger::lint {

// timeouts.cc
void per_try_not_below_request(const RouteAt& at, const Subject& subject, Findings& out);
void retries_exceed_request(const RouteAt& at, const Subject& subject, Findings& out);
void per_try_without_retry(const RouteAt& at, const Subject& subject, Findings& out);
void request_timeout_unbounded_stream(const RouteAt& at, const Subject& subject, Findings& out);
void idle_beyond_keepalive(const UpstreamAt& at, const Subject& subject, Findings& out);

// retries.cc
void method_never_retried(const RouteAt& at, const Subject& subject, Findings& out);
void delete_retried(const RouteAt& at, const Subject& subject, Findings& out);
void retries_without_budget(const UpstreamAt& at, const Subject& subject, Findings& out);
void hedge_after_beyond_per_try(const RouteAt& at, const Subject& subject, Findings& out);
void hedge_after_beyond_request(const RouteAt& at, const Subject& subject, Findings& out);

// ejection.cc
void ejection_impossible(const UpstreamAt& at, const Subject& subject, Findings& out);
void panic_before_ejection_cap(const UpstreamAt& at, const Subject& subject, Findings& out);
void single_address_service(const UpstreamAt& at, const Subject& subject, Findings& out);

// breaker.cc
void breaker_never_opens(const Subject& subject, Findings& out);
void breaker_without_ejection(const UpstreamAt& at, const Subject& subject, Findings& out);

// routing.cc
void fallback_loop(const RouteAt& at, const Subject& subject, Findings& out);
void loopback_host_passthrough(const RouteAt& at, const Subject& subject, Findings& out);
void unused_upstream(const UpstreamAt& at, const Subject& subject, Findings& out);

// load.cc
void rate_limit_per_sidecar(const RouteAt& at, const Subject& subject, Findings& out);
void health_check_load(const UpstreamAt& at, const Subject& subject, Findings& out);

// process.cc
void outbound_not_loopback(const Subject& subject, Findings& out);
void fd_limit(const Subject& subject, Findings& out);
void drain_beyond_grace(const Subject& subject, Findings& out);

// How many of `count` endpoints may be out at once.
std::size_t allowed_ejections(const config::OutlierDetection& detection, std::size_t count);
// It takes endpoints out, however many there are.
bool ejects(const std::optional<config::OutlierDetection>& detection);

}  // namespace outrigger::lint
