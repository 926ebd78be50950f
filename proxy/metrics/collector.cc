#include "proxy/metrics/collector.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>

#include "proxy/metrics/families.h"
#include "proxy/metrics/process_metrics.h"

namespace outrigger::metrics {
namespace {

using prometheus::MetricFamily;
using Families = std::vector<MetricFamily>;

constexpr std::size_t kMaxEndpointsShown = 64;  // of one upstream

// Sums over the workers.

struct RouteSum {
  RouteLabels labels;
  std::map<int, std::uint64_t> codes;
  exchange::HistogramLive duration, overhead;
  std::int64_t in_flight = 0;
  double aborted_upstream = 0, aborted_downstream = 0;
  // By label, so that kinds which share one are added up.
  std::map<std::string_view, double> local_replies, retries, denied, timeouts, mirrors_dropped;
  bool hedges = false;
  double hedges_won = 0, hedges_lost = 0, malformed_deadlines = 0;
};

struct UpstreamSum {
  std::string name;
  std::array<std::array<double, static_cast<std::size_t>(exchange::AttemptOutcome::kCount)>, 3>
      attempts{};
  exchange::HistogramLive attempt_duration;
  std::array<double, static_cast<std::size_t>(exchange::LimitKind::kCount)> overflows{};
};

template <class Cells, class LabelOf>
void add_by_label(std::map<std::string_view, double>& sums, const Cells& cells,
                  const LabelOf& label_of) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const auto count = cells[i].value();
    if (count > 0) sums[label_of(i)] += static_cast<double>(count);
  }
}

void add_cells(RouteSum& sum, const RouteCells& cells) {
  cells.codes.for_each(
      [&](int code, std::int64_t count) { sum.codes[code] += static_cast<std::uint64_t>(count); });
  cells.duration.add_to(sum.duration);
  cells.overhead.add_to(sum.overhead);
  sum.in_flight += cells.in_flight.value();
  sum.aborted_upstream += static_cast<double>(cells.aborted_upstream.value());
  sum.aborted_downstream += static_cast<double>(cells.aborted_downstream.value());
  sum.hedges =
      sum.hedges || cells.hedges || cells.hedges_won.value() + cells.hedges_lost.value() > 0;
  sum.hedges_won += static_cast<double>(cells.hedges_won.value());
  sum.hedges_lost += static_cast<double>(cells.hedges_lost.value());
  sum.malformed_deadlines += static_cast<double>(cells.malformed_deadlines.value());
  add_by_label(sum.local_replies, cells.local_replies, [](std::size_t i) {
    return exchange::answer_for(static_cast<exchange::FailureKind>(i)).reason;
  });
  add_by_label(sum.mirrors_dropped, cells.mirrors_dropped,
               [](std::size_t i) { return label(static_cast<exchange::MirrorDrop>(i)); });
  add_by_label(sum.retries, cells.retries,
               [](std::size_t i) { return label(static_cast<policy::RetryReason>(i)); });
  add_by_label(sum.denied, cells.denied,
               [](std::size_t i) { return label(static_cast<policy::Denial>(i)); });
  add_by_label(sum.timeouts, cells.timeouts,
               [](std::size_t i) { return label(static_cast<exchange::TimeoutKind>(i)); });
}

void add_cells(UpstreamSum& sum, const UpstreamCells& cells) {
  for (std::size_t kind = 0; kind < cells.attempts.size(); ++kind) {
    for (std::size_t i = 0; i < cells.attempts[kind].size(); ++i) {
      sum.attempts[kind][i] += static_cast<double>(cells.attempts[kind][i].value());
    }
  }
  cells.attempt_duration.add_to(sum.attempt_duration);
  for (std::size_t i = 0; i < cells.overflows.size(); ++i) {
    sum.overflows[i] += static_cast<double>(cells.overflows[i].value());
  }
}

struct Sums {
  std::map<std::string, RouteSum> routes;
  std::map<std::string, UpstreamSum> upstreams;
  std::map<std::pair<std::string, std::string>, double> fallbacks;  // by route and where to
  std::map<std::pair<std::string, std::string>, double> faults;     // by route and kind
};

void add_faults(Sums& sums, const RouteCells& cells) {
  const auto add = [&](const char* kind, const Cell& cell) {
    const auto count = static_cast<double>(cell.value());
    if (count > 0) sums.faults[{cells.labels.route, kind}] += count;
  };
  add("delay", cells.faults_delay);
  add("abort", cells.faults_abort);
  add("reset", cells.faults_reset);
}

Sums sum_up(const std::vector<const ExchangeMeter*>& meters) {
  Sums sums;
  for (const ExchangeMeter* meter : meters) {
    const auto shown = meter->shown();
    for (const auto& cells : shown.routes) {
      const RouteLabels& labels = cells->labels;
      add_faults(sums, *cells);
      RouteSum& sum = sums.routes[labels.listener + '\0' + labels.route + '\0' + labels.upstream];
      sum.labels = labels;
      add_cells(sum, *cells);
    }
    for (const auto& cells : shown.upstreams) {
      UpstreamSum& sum = sums.upstreams[cells->name];
      sum.name = cells->name;
      add_cells(sum, *cells);
    }
    for (const auto& cells : shown.fallbacks) {
      sums.fallbacks[{cells->route, cells->to}] += static_cast<double>(cells->count.value());
    }
  }
  return sums;
}

// Families.

Labels labels_of(const RouteSum& sum) {
  return {{"listener", sum.labels.listener},
          {"route", sum.labels.route},
          {"upstream", sum.labels.upstream}};
}

void add_request_families(Families& out, const Sums& sums) {
  auto requests = counter("requests_total", "Requests by the status code that the caller saw");
  auto duration = histogram("request_duration_seconds",
                            "From the request's head to the last byte of its response");
  auto overhead =
      histogram("proxy_overhead_seconds", "Request duration less tries, queue and backoff");
  for (const auto& [key, sum] : sums.routes) {
    const bool no_route = sum.labels.route.empty();
    const Labels all = labels_of(sum);
    const Labels route = {all[0], all[1]};
    if (no_route && sum.codes.empty()) continue;  // begins with its first request
    if (!no_route && !sum.codes.contains(200)) {
      Labels labels = all;
      labels.emplace_back("code", "200");
      requests.add(labels, 0);
    }
    for (const auto& [code, count] : sum.codes) {
      Labels labels = all;
      const std::string text = std::to_string(code);
      labels.emplace_back("code", text);
      requests.add(labels, static_cast<double>(count));
    }
    duration.add(all, sum.duration);
    overhead.add(all, sum.overhead);
  }
  for (Family* each : {&requests, &duration, &overhead}) out.push_back(each->take());
}

// Those without the label `upstream`: of a split's upstreams together.
std::map<std::string, RouteSum> by_route(const Sums& sums) {
  std::map<std::string, RouteSum> routes;
  for (const auto& [key, sum] : sums.routes) {
    if (sum.labels.route.empty() && sum.codes.empty()) continue;
    RouteSum& all = routes[sum.labels.listener + '\0' + sum.labels.route];
    all.labels = sum.labels;
    all.in_flight += sum.in_flight;
    all.aborted_upstream += sum.aborted_upstream;
    all.aborted_downstream += sum.aborted_downstream;
    all.malformed_deadlines += sum.malformed_deadlines;
    for (const auto& [reason, count] : sum.local_replies) all.local_replies[reason] += count;
    for (const auto& [cause, count] : sum.mirrors_dropped) all.mirrors_dropped[cause] += count;
  }
  return routes;
}

void add_route_families(Families& out, const Sums& sums) {
  auto in_flight = gauge("requests_in_flight", "Requests under way");
  auto aborted = counter("responses_aborted_total", "Responses that broke off, by whose doing");
  auto local = counter("local_replies_total", "Answers of the proxy's own, by reason");
  auto fallbacks = counter("fallbacks_total", "Requests that were answered by a fallback");
  auto faults = counter("faults_injected_total", "Failures on purpose, by kind");
  auto malformed = counter("malformed_deadlines_total", "Deadline headers that say nothing");
  auto mirrors = counter("mirrors_dropped_total", "Copies for a mirror that were not sent");
  for (const auto& [key, sum] : by_route(sums)) {
    const Labels all = labels_of(sum);
    const Labels route = {all[0], all[1]};
    in_flight.add(route, static_cast<double>(sum.in_flight));
    for (const auto& [side, count] : {std::pair{"upstream", sum.aborted_upstream},
                                      std::pair{"downstream", sum.aborted_downstream}}) {
      aborted.add({route[0], route[1], {"side", side}}, count);
    }
    for (const auto& [reason, count] : sum.local_replies) {
      local.add({route[0], route[1], {"reason", reason}}, count);
    }
    for (const auto& [cause, count] : sum.mirrors_dropped) {
      mirrors.add({route[1], {"cause", cause}}, count);
    }
    if (sum.malformed_deadlines > 0) malformed.add(route, sum.malformed_deadlines);
  }
  for (const auto& [labels, count] : sums.fallbacks) {
    fallbacks.add({{"route", labels.first}, {"to", labels.second}}, count);
  }
  for (const auto& [labels, count] : sums.faults) {
    faults.add({{"route", labels.first}, {"kind", labels.second}}, count);
  }
  for (Family* each : {&in_flight, &aborted, &local, &fallbacks, &faults, &malformed, &mirrors}) {
    out.push_back(each->take());
  }
}

void add_retry_families(Families& out, const Sums& sums, const exchange::LiveState& live) {
  auto retries = counter("retries_total", "Retries begun, by the word that granted them");
  auto denied = counter("retries_denied_total", "Retries that were not made, by cause");
  auto hedges = counter("hedges_total", "Hedges begun, by whether theirs was the first head");
  auto timeouts = counter("timeouts_total", "Timeouts that were over, by kind");
  // Those without a route, of all listeners: the labels do not tell listeners apart.
  std::map<std::string_view, double> unrouted;
  for (const auto& [key, sum] : sums.routes) {
    if (sum.labels.route.empty()) {
      for (const auto& [kind, n] : sum.timeouts) unrouted[kind] += n;
      continue;
    }
    const std::pair<std::string_view, std::string_view> route{"route", sum.labels.route};
    const std::pair<std::string_view, std::string_view> upstream{"upstream", sum.labels.upstream};
    for (const auto& [why, n] : sum.retries) retries.add({route, upstream, {"reason", why}}, n);
    for (const auto& [why, n] : sum.denied) denied.add({route, upstream, {"cause", why}}, n);
    for (const auto& [kind, n] : sum.timeouts) timeouts.add({route, upstream, {"kind", kind}}, n);
    if (!sum.hedges) continue;
    hedges.add({route, upstream, {"outcome", "won"}}, sum.hedges_won);
    hedges.add({route, upstream, {"outcome", "lost"}}, sum.hedges_lost);
  }
  for (const auto& listener : live.listeners) {
    for (const auto& each : listener.timeouts) {
      unrouted[each.label] += static_cast<double>(each.count);
    }
  }
  for (const auto& [kind, n] : unrouted) {
    if (n > 0) timeouts.add({{"route", ""}, {"upstream", ""}, {"kind", kind}}, n);
  }
  for (Family* each : {&retries, &denied, &hedges, &timeouts}) out.push_back(each->take());
}

void add_attempt_families(Families& out, const Sums& sums, const exchange::LiveState& live) {
  auto attempts = counter("upstream_attempts_total",
                          "Tries by kind and outcome; amplification is all over first");
  auto duration = histogram("upstream_attempt_duration_seconds",
                            "From a try's start to its response head or failure");
  auto overflow = counter("overflow_total", "Refusals by the limit that was hit");
  constexpr auto kOutcomes = static_cast<std::size_t>(exchange::AttemptOutcome::kCount);
  // What `mode: observe` let through is in no exchange's record.
  std::map<std::pair<std::string_view, exchange::LimitKind>, double> observed;
  for (const auto& upstream : live.upstreams) {
    observed[{upstream.name, exchange::LimitKind::AdaptiveConcurrency}] =
        static_cast<double>(upstream.adaptive.observed_beyond);
  }
  for (const auto& [name, sum] : sums.upstreams) {
    for (const auto kind :
         {exchange::TryKind::First, exchange::TryKind::Retry, exchange::TryKind::Hedge}) {
      for (std::size_t i = 0; i < kOutcomes; ++i) {
        attempts.add({{"upstream", name},
                      {"try", label(kind)},
                      {"outcome", label(static_cast<exchange::AttemptOutcome>(i))}},
                     sum.attempts[static_cast<std::size_t>(kind)][i]);
      }
    }
    duration.add({{"upstream", name}}, sum.attempt_duration);
    for (std::size_t i = 1; i < sum.overflows.size(); ++i) {  // 0 is LimitKind::None
      const auto limit = static_cast<exchange::LimitKind>(i);
      overflow.add({{"upstream", name}, {"limit", label(limit)}},
                   sum.overflows[i] + observed[{name, limit}]);
    }
  }
  std::map<std::string_view, double> listeners;
  for (const auto& listener : live.listeners) {
    for (const auto& each : listener.overflows) {
      listeners[each.label] += static_cast<double>(each.count);
    }
  }
  for (const auto& [limit, n] : listeners) {
    overflow.add({{"upstream", ""}, {"limit", limit}}, n);
  }
  for (Family* each : {&attempts, &duration, &overflow}) out.push_back(each->take());
}

void add_breaker_families(Families& out, const exchange::LiveState& live) {
  auto state = gauge("circuit_breaker_state", "0 closed, 1 half-open, 2 open");
  auto transitions = counter("circuit_breaker_transitions_total", "Changes of state");
  auto rejected = counter("circuit_breaker_rejected_total", "Refused while it was open");
  const auto add = [&](std::string_view scope, const std::string& name,
                       const exchange::BreakerLive& breaker) {
    if (!breaker.present) return;
    const Labels labels = {{"scope", scope}, {"name", name}};
    state.add(labels, static_cast<double>(breaker.state));
    rejected.add(labels, static_cast<double>(breaker.rejected));
    static constexpr std::string_view kTo[] = {"closed", "half-open", "open"};
    for (std::size_t i = 0; i < 3; ++i) {
      transitions.add({labels[0], labels[1], {"to", kTo[i]}},
                      static_cast<double>(breaker.transitions_to[i]));
    }
  };
  for (const auto& route : live.routes) add("route", route.name, route.breaker);
  for (const auto& upstream : live.upstreams) add("upstream", upstream.name, upstream.breaker);
  for (Family* each : {&state, &transitions, &rejected}) out.push_back(each->take());
}

void add_load_families(Families& out, const exchange::LiveState& live) {
  auto rate_limited = counter("rate_limited_total", "Refused by the route's rate limit");
  for (const auto& route : live.routes) {
    const std::pair<std::string_view, std::string_view> name{"route", route.name};
    if (route.rate_limited) rate_limited.add({name}, static_cast<double>(*route.rate_limited));
  }
  auto shed = counter("shed_total", "Refused because the proxy had too much to do");
  for (const auto& route : live.routes) {
    for (const auto& each : route.shed) {
      shed.add({{"route", route.name}, {"criticality", each.label}},
               static_cast<double>(each.count));
    }
  }
  auto concurrency = gauge("concurrency_limit", "What adaptive_concurrency allows");
  for (const auto& route : live.routes) {
    if (!route.adaptive.present) continue;
    concurrency.add({{"scope", "route"}, {"name", route.name}}, route.adaptive.limit);
  }
  for (const auto& upstream : live.upstreams) {
    if (!upstream.adaptive.present) continue;
    concurrency.add({{"scope", "upstream"}, {"name", upstream.name}}, upstream.adaptive.limit);
  }
  for (Family* each : {&rate_limited, &shed, &concurrency}) out.push_back(each->take());
}

void add_endpoint_families(Families& out, const exchange::LiveState& live) {
  auto ejections = counter("outlier_ejections_total", "Endpoints ejected, by detector");
  auto denied = counter("outlier_ejections_denied_total", "Ejections not made, by cause");
  auto endpoints = gauge("upstream_endpoints", "Endpoints by state");
  auto panic = gauge("upstream_panic", "1 where health checks are ignored, as too few pass them");
  auto checks = counter("health_checks_total", "Active health checks by result");
  for (const auto& upstream : live.upstreams) {
    const std::pair<std::string_view, std::string_view> name{"upstream", upstream.name};
    // Zeros only of the mode now; what was counted in the other stays.
    const auto add_ejections = [&](const auto& counts, std::string_view mode, bool now) {
      for (const auto& each : counts) {
        if (!now && each.count == 0) continue;
        ejections.add({name, {"detector", each.label}, {"mode", mode}},
                      static_cast<double>(each.count));
      }
    };
    add_ejections(upstream.ejections, "enforce", !upstream.ejection_observe);
    add_ejections(upstream.ejections_observed, "observe", upstream.ejection_observe);
    for (const auto& each : upstream.ejections_denied) {
      if (each.count > 0) {
        denied.add({name, {"cause", each.label}}, static_cast<double>(each.count));
      }
    }
    for (const auto& each : upstream.health_checks) {
      checks.add({name, {"result", each.label}}, static_cast<double>(each.count));
    }
    for (const std::string_view state : {"healthy", "unhealthy", "ejected", "probation"}) {
      double count = 0;
      for (const auto& endpoint : upstream.endpoints) count += endpoint.state == state ? 1 : 0;
      endpoints.add({name, {"state", state}}, count);
    }
    panic.add({name}, upstream.panic ? 1 : 0);
  }
  for (Family* each : {&ejections, &denied, &endpoints, &panic, &checks}) {
    out.push_back(each->take());
  }
}

// Only where the user asked for them: their number grows with the endpoints.
void add_per_endpoint_families(Families& out, const exchange::LiveState& live) {
  if (!live.endpoint_labels) return;
  auto up = gauge("endpoint_up", "1 where the endpoint gets traffic");
  auto attempts = counter("endpoint_attempts_total", "Tries at the endpoint, by outcome");
  for (const auto& upstream : live.upstreams) {
    const auto shown = std::min(upstream.endpoints.size(), kMaxEndpointsShown);
    for (std::size_t i = 0; i < shown; ++i) {
      const auto& endpoint = upstream.endpoints[i];
      const Labels labels = {{"upstream", upstream.name}, {"endpoint", endpoint.address}};
      up.add(labels, endpoint.state == "healthy" ? 1 : 0);
      for (const auto& each : endpoint.outcomes) {
        attempts.add({labels[0], labels[1], {"outcome", each.label}},
                     static_cast<double>(each.count));
      }
    }
  }
  out.push_back(up.take());
  out.push_back(attempts.take());
}

void add_upstream_families(Families& out, const exchange::LiveState& live) {
  auto budget = gauge("retry_budget_remaining", "Retries that could be made now");
  auto connections = gauge("upstream_connections", "Connections by state");
  auto connects = counter("upstream_connects_total", "Connects by result");
  auto in_flight = gauge("upstream_requests_in_flight", "Tries under way");
  auto pending = gauge("upstream_requests_pending", "Tries that wait for a place");
  auto waited = histogram("upstream_pending_duration_seconds", "Waits that ended with a place");
  auto limit = gauge("upstream_limit", "Limits in force");
  auto bytes = counter("upstream_bytes_total", "Bytes from (in) and to (out) the upstream");
  auto failures = counter("discovery_failures_total", "Resolutions that failed");
  auto success = gauge("discovery_last_success_timestamp_seconds", "When a resolution succeeded");
  for (const auto& upstream : live.upstreams) {
    const std::pair<std::string_view, std::string_view> name{"upstream", upstream.name};
    budget.add({name}, upstream.retry_budget_remaining);
    connections.add({name, {"state", "active"}}, upstream.connections_active);
    connections.add({name, {"state", "idle"}}, upstream.connections_idle);
    connections.add({name, {"state", "connecting"}}, upstream.connections_connecting);
    for (const auto& each : upstream.connects) {
      connects.add({name, {"result", each.label}}, static_cast<double>(each.count));
    }
    in_flight.add({name}, upstream.requests_in_flight);
    pending.add({name}, upstream.requests_pending);
    waited.add({name}, upstream.pending_duration);
    for (const auto& each : upstream.limits) {
      limit.add({name, {"limit", each.label}}, static_cast<double>(each.count));
    }
    bytes.add({name, {"direction", "in"}}, static_cast<double>(upstream.bytes_in));
    bytes.add({name, {"direction", "out"}}, static_cast<double>(upstream.bytes_out));
    if (!upstream.resolves_names) continue;
    failures.add({name}, static_cast<double>(upstream.discovery_failures));
    success.add({name}, upstream.discovery_last_success);
  }
  for (Family* each : {&budget, &connections, &connects, &in_flight, &pending, &waited, &limit,
                       &bytes, &failures, &success}) {
    out.push_back(each->take());
  }
}

void add_daemon_families(Families& out, const exchange::LiveState& live) {
  auto connections = gauge("downstream_connections", "Callers' connections");
  auto bytes = counter("downstream_bytes_total", "Bytes from (in) and to (out) callers");
  for (const auto& listener : live.listeners) {
    const std::pair<std::string_view, std::string_view> name{"listener", listener.name};
    connections.add({name}, listener.connections);
    bytes.add({name, {"direction", "in"}}, static_cast<double>(listener.bytes_in));
    bytes.add({name, {"direction", "out"}}, static_cast<double>(listener.bytes_out));
  }
  auto reloads = counter("config_reloads_total", "Reloads by result");
  reloads.add({{"result", "success"}}, static_cast<double>(live.reloads_succeeded));
  reloads.add({{"result", "failure"}}, static_cast<double>(live.reloads_failed));
  auto last = gauge("config_last_reload_successful", "1 where the last reload was taken");
  last.add({}, live.last_reload_successful ? 1 : 0);
  auto when = gauge("config_last_reload_success_timestamp_seconds", "When a reload was taken last");
  when.add({}, live.last_reload_success_timestamp);
  auto lag = gauge("event_loop_lag_seconds", "How late the event loop comes, smoothed");
  lag.add({}, live.event_loop_lag_seconds);
  auto buffered = gauge("buffered_bytes", "Bytes that wait in memory for a peer or another try");
  buffered.add({}, static_cast<double>(live.buffered_bytes));
  auto bound = gauge("buffered_bytes_limit", "overload.max_buffered_bytes in force");
  bound.add({}, static_cast<double>(live.buffered_bytes_limit));
  auto dropped = counter("access_log_dropped_total", "Lines of the access log that were lost");
  dropped.add({}, static_cast<double>(live.access_log_dropped));
  auto draining = gauge("draining", "1 while shutting down");
  draining.add({}, live.draining ? 1 : 0);
  auto build = gauge("build_info", "1, with the version as a label");
  build.add({{"version", OUTRIGGER_VERSION}}, 1);
  for (Family* each : {&connections, &bytes, &reloads, &last, &when, &lag, &buffered, &bound,
                       &dropped, &draining, &build}) {
    out.push_back(each->take());
  }
}

}  // namespace

std::vector<MetricFamily> Collector::Collect() const {
  const exchange::LiveState live = live_();
  const Sums sums = sum_up(meters_);
  Families families;
  add_request_families(families, sums);
  add_route_families(families, sums);
  add_attempt_families(families, sums, live);
  add_retry_families(families, sums, live);
  add_breaker_families(families, live);
  add_load_families(families, live);
  add_endpoint_families(families, live);
  add_per_endpoint_families(families, live);
  add_upstream_families(families, live);
  add_daemon_families(families, live);
  add_process_families(families);
  // A family without a sample says nothing.
  std::erase_if(families, [](const MetricFamily& family) { return family.metric.empty(); });
  return families;
}

std::string metrics_page(const Collector& collector) {
  return prometheus::TextSerializer{}.Serialize(collector.Collect());
}

}  // namespace outrigger::metrics
