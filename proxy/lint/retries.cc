// Retries and hedges that never happen, or that should not.
#include <algorithm>

#include "config/quantity.h"
#include "proxy/lint/rules.h"

namespace outrigger::lint {
namespace {

using namespace std::chrono_literals;
using config::decimal_text;
using config::RetryWord;

// A floor that no sidecar's usual traffic comes near: it bounds nothing.
constexpr double kFloorWithoutBound = 100;

bool lists(const std::vector<std::string>& methods, std::string_view method) {
  return std::ranges::find(methods, method) != methods.end();
}

// It names something after which the upstream may have acted; the rest may be tried again for any
// method.
bool repeats_processed(const config::RetryOn& retry_on) {
  constexpr RetryWord kNeverProcessed[] = {RetryWord::ConnectFailure, RetryWord::RefusedStream,
                                           RetryWord::ResetBeforeRequest,
                                           RetryWord::RefusedElsewhere};
  return !retry_on.statuses.empty() || std::ranges::any_of(retry_on.words, [&](RetryWord word) {
    return std::ranges::find(kNeverProcessed, word) == std::end(kNeverProcessed);
  });
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

void hedge_after_beyond(const RouteAt& at, const Subject& subject, Findings& out,
                        const std::optional<Duration>& bound, const char* name) {
  const auto& hedge = at.route.hedge;
  if (!hedge || hedge->after.percentile != 0 || !bound || hedge->after.time < *bound) return;
  out.add(subject.written(at.path + ".hedge.after", at.path + ".hedge"),
          "a hedge is due after " + time_text(hedge->after.time) + ", but " + name + " ends at " +
              time_text(*bound) + ": there is never one");
}

}  // namespace

void hedge_after_beyond_per_try(const RouteAt& at, const Subject& subject, Findings& out) {
  hedge_after_beyond(at, subject, out, at.route.timeouts.per_try, "the try (per_try)");
}

void hedge_after_beyond_request(const RouteAt& at, const Subject& subject, Findings& out) {
  hedge_after_beyond(at, subject, out, at.route.timeouts.request, "the request (timeouts.request)");
}

void method_never_retried(const RouteAt& at, const Subject& subject, Findings& out) {
  const auto& methods = at.route.match.methods;
  const auto& retry = at.route.retry;
  const bool own_retry = at.max_retries() > 0 && subject.own(at, "retry");
  const bool own_hedge = at.route.hedge && subject.own(at, "hedge");
  if (!retry && own_hedge) {
    return out.add(at.path + ".hedge",
                   "only what may be retried is hedged, and retry is off: nothing is hedged",
                   "set retry: {max_retries: 0}, which keeps the methods that may be sent twice");
  }
  if (methods.empty() || !retry || !(own_retry || own_hedge)) return;
  if (!own_hedge && !repeats_processed(retry->retry_on)) return;
  // Whoever names the header knows which requests carry it.
  if (retry->idempotency_key_header && subject.own(at, "retry.idempotency_key_header")) return;
  if (std::ranges::any_of(methods, [&](const auto& each) { return lists(retry->methods, each); })) {
    return;
  }
  const std::string what = !own_retry   ? "hedged"
                           : !own_hedge ? "retried once the upstream may have acted on it"
                                        : "hedged, or retried once the upstream may have acted on "
                                          "it";
  const std::string but = retry->idempotency_key_header
                              ? " (save with the header " + *retry->idempotency_key_header + ")"
                              : "";
  out.add(subject.written(at.path + ".retry.methods", at.path + (own_retry ? ".retry" : ".hedge")),
          "the route takes only " + joined(methods) +
              ", which retry.methods does not name: nothing "
              "is " +
              what + but);
}

void delete_retried(const RouteAt& at, const Subject& subject, Findings& out) {
  const auto& retry = at.route.retry;
  const auto& matched = at.route.match.methods;
  if (at.max_retries() == 0 || !subject.given(at.path + ".retry")) return;
  if (!lists(retry->methods, "DELETE") || !repeats_processed(retry->retry_on)) return;
  const bool named = lists(matched, "DELETE");
  const bool listed = matched.empty() && subject.given(at.path + ".retry.methods");
  if (!named && !listed) return;
  out.add(subject.written(at.path + ".retry.methods", at.path + ".retry"),
          "a DELETE whose answer was lost is sent up to " + std::to_string(at.max_retries()) +
              " more times: where the first had worked, the next finds nothing and the caller gets "
              "its 404",
          "leave DELETE out of retry.methods, unless callers take a 404 for success");
}

void retries_without_budget(const UpstreamAt& at, const Subject& subject, Findings& out) {
  int extra = 0;
  for (const RouteAt* user : subject.users(at.upstream.name)) {
    extra = std::max(extra, user->extra_tries());
  }
  if (extra == 0) return;
  const auto& budget = at.upstream.retry_budget;
  const std::string path = at.path + ".retry_budget";
  const double window = static_cast<double>(budget.window / 1ms) / 1000;
  if (budget.percent == 0 && budget.min_per_second * window < 1) {
    return out.add(path,
                   "percent 0 and min_per_second " + decimal_text(budget.min_per_second) +
                       " grant less than one retry in a window of " + time_text(budget.window) +
                       ": the routes that lead here allow " + std::to_string(extra) +
                       ", and none will be made",
                   "set percent to 20, or retry: off on the routes");
  }
  if (budget.percent >= 100) {
    return out.add(path + ".percent", decimal_text(budget.percent) +
                                          " lets every first try be paid one more, where "
                                          "the routes that lead here allow " +
                                          std::to_string(extra) +
                                          ": an outage doubles the load on what is failing");
  }
  if (budget.min_per_second >= kFloorWithoutBound) {
    out.add(path + ".min_per_second",
            decimal_text(budget.min_per_second) +
                " retries a second are granted whatever the "
                "traffic, by each sidecar: below " +
                decimal_text(budget.min_per_second) + " requests a second percent " +
                decimal_text(budget.percent) + " bounds nothing",
            "leave it at 0.5, and raise percent where more retries are wanted");
  }
}

}  // namespace outrigger::lint
