#include "proxy/exchange/scope.h"

#include <algorithm>

#include "proxy/base/check.h"

namespace outrigger::exchange {

DeadlineHeaders deadline_headers(const config::Listener& listener) {
  const auto& names = listener.deadline_headers;
  return {.timeout_ms = names.contains(config::DeadlineHeader::XRequestTimeoutMs),
          .grpc = names.contains(config::DeadlineHeader::GrpcTimeout)};
}

std::uint32_t index_of_upstream(const config::Config& config, const std::string& name) {
  const auto found = std::ranges::find(config.upstreams, name, &config::Upstream::name);
  INVARIANT(found != config.upstreams.end());
  return static_cast<std::uint32_t>(found - config.upstreams.begin());
}

policy::PlanSettings compile_plan(const config::Route& route, const config::Upstream& upstream) {
  policy::PlanSettings plan{.request = route.timeouts.request,
                            .per_try = route.timeouts.per_try,
                            .idle = route.timeouts.idle,
                            .tunnel_idle = route.timeouts.tunnel_idle,
                            .pending_timeout = upstream.limits.pending_timeout};
  if (route.retry) {
    plan.retry.emplace(*route.retry);
    plan.backoff = route.retry->backoff;
    plan.respect_retry_after = route.retry->respect_retry_after;
  }
  if (route.hedge) plan.max_hedges = route.hedge->max;
  return plan;
}

}  // namespace outrigger::exchange
