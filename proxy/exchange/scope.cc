#include "proxy/exchange/scope.h"

namespace outrigger::exchange {

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
  return plan;
}

}  // namespace outrigger::exchange
