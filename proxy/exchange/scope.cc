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

namespace {

http::HeaderEdits compile_edits(const config::HeaderChanges& changes) {
  return {changes.set, changes.add, changes.remove};
}

}  // namespace

void compile_actions(const config::Config& config, Route& route) {
  const config::Route& settings = *route.config;
  const auto add_target = [&](const std::string& name) {
    const auto upstream = index_of_upstream(config, name);
    route.targets.push_back({upstream, compile_plan(settings, config.upstreams[upstream])});
  };
  if (settings.upstream) add_target(*settings.upstream);
  if (settings.split) {
    route.split.emplace(settings.split->to);
    for (const auto& target : settings.split->to) add_target(target.upstream);
  }
  route.upstream = route.targets.front().upstream;
  if (settings.retry) route.repeat_rule = policy::RetryRule(*settings.retry);
  if (settings.fallback && settings.fallback->upstream) {
    route.fallback = index_of_upstream(config, *settings.fallback->upstream);
  }
  if (settings.mirror) route.mirror = index_of_upstream(config, settings.mirror->upstream);
  if (settings.rewrite && settings.rewrite->path_prefix) {
    route.path_rewrite.emplace(settings.match, *settings.rewrite->path_prefix);
  }
  if (settings.request_headers) route.request_edits = compile_edits(*settings.request_headers);
  if (settings.response_headers) route.response_edits = compile_edits(*settings.response_headers);
}

const policy::PlanSettings& Route::plan_for(std::uint32_t target) const {
  const auto found = std::ranges::find(targets, target, &RouteTarget::upstream);
  INVARIANT(found != targets.end());
  return found->plan;
}

}  // namespace outrigger::exchange
