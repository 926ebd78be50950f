// Timeouts that end one another, or nothing.
#include <algorithm>

#include "proxy/lint/rules.h"

namespace outrigger::lint {
namespace {

using namespace std::chrono_literals;

// Node's keep-alive timeout; the commonest of those that a pooled connection meets.
constexpr Duration kUsualKeepAlive = 5s;

bool retries_per_try_timeouts(const config::Route& route) {
  return route.retry && route.retry->max_retries > 0 &&
         route.retry->retry_on.words.contains(config::RetryWord::PerTryTimeout);
}

// The longest that the backoffs before the first `retries` retries can take together.
Duration longest_backoffs(const config::Backoff& backoff, int retries) {
  Duration sum{};
  Duration step = std::min(backoff.base, backoff.max);
  for (int i = 0; i < retries; ++i) {
    sum += step;
    step = std::min(backoff.max, step * 2);
  }
  return sum;
}

// Of responses that last as long as somebody listens. text/event-stream is not among them: the
// proxy knows it, and ends `request` at its head.
bool is_endless(std::string_view media_type) {
  constexpr std::string_view kEndless[] = {"application/grpc", "application/x-ndjson",
                                           "application/stream+json", "application/json-seq",
                                           "multipart/x-mixed-replace"};
  return std::ranges::any_of(kEndless,
                             [&](std::string_view each) { return media_type.starts_with(each); });
}

// The condition of the match that only streams meet, such as "headers[0]".
std::optional<std::string> endless_match(const config::Match& match) {
  for (std::size_t i = 0; i < match.headers.size(); ++i) {
    if (is_endless(match.headers[i].value)) return item("headers", i);
  }
  for (std::size_t i = 0; i < match.query.size(); ++i) {
    const auto& each = match.query[i];
    const bool asks = each.name == "watch" || each.name == "follow";
    if (asks && (each.value == "true" || each.value == "1")) return item("query", i);
  }
  return std::nullopt;
}

// Two digits are enough to advise.
Duration rounded_down(Duration time) {
  Duration unit = 1ms;
  while (time / unit >= 100) unit *= 10;
  return time / unit * unit;
}

}  // namespace

void per_try_not_below_request(const RouteAt& at, const Subject&, Findings& out) {
  const auto& request = at.route.timeouts.request;
  const auto& per_try = at.route.timeouts.per_try;
  if (!request || !per_try || *per_try < *request) return;
  out.add(at.path + ".timeouts.per_try",
          time_text(*per_try) + " is not below timeouts.request, " + time_text(*request) +
              ", which ends the request first: no try is ever given up for another");
}

void retries_exceed_request(const RouteAt& at, const Subject& subject, Findings& out) {
  const auto& timeouts = at.route.timeouts;
  const int retries = at.max_retries();
  if (!timeouts.request || retries == 0 || !subject.given(at.path + ".retry")) return;
  const Duration per_try = timeouts.per_try.value_or(Duration{});
  const Duration backoffs = longest_backoffs(at.route.retry->backoff, retries);
  const Duration total = per_try * (retries + 1) + backoffs;
  if (total <= *timeouts.request) return;

  const std::string request = time_text(*timeouts.request);
  const std::string raise = "raise timeouts.request to " + time_text(total);
  if (backoffs >= *timeouts.request) {
    return out.add(at.path + ".retry",
                   "the backoffs before " + std::to_string(retries) + " retries can take " +
                       time_text(backoffs) + ", the request may take " + request +
                       ": a retry that would come too late is not begun",
                   "lower retry.backoff.max or max_retries, or " + raise);
  }
  int fitting = 0;
  while (per_try * (fitting + 1) + longest_backoffs(at.route.retry->backoff, fitting) <=
         *timeouts.request) {
    ++fitting;
  }
  const Duration fair = rounded_down((*timeouts.request - backoffs) / (retries + 1));
  out.add(at.path + ".retry",
          std::to_string(retries + 1) + " tries of per_try " + time_text(per_try) +
              " and backoffs of up to " + time_text(backoffs) + " in all can take " +
              time_text(total) + ", the request may take " + request + ": only " +
              std::to_string(fitting) + " of them can have its whole time",
          "lower per_try to " + time_text(fair) + ", or " + raise);
}

void per_try_without_retry(const RouteAt& at, const Subject&, Findings& out) {
  const auto& timeouts = at.route.timeouts;
  const bool tries_again = at.max_retries() > 0;
  if (!timeouts.per_try || retries_per_try_timeouts(at.route)) return;
  if (timeouts.request && *timeouts.per_try >= *timeouts.request) return;
  // Then it is the only bound on the time to the head, and may be meant so.
  if (!timeouts.request && !tries_again) return;
  std::string message =
      "a try without a response head after " + time_text(*timeouts.per_try) + " is answered 504, ";
  if (timeouts.request) {
    message += "though the request may take " + time_text(*timeouts.request) + ", ";
  }
  if (!tries_again) {
    return out.add(at.path + ".timeouts.per_try", message + "and there are no retries",
                   "allow retries with retry_on: [default, per-try-timeout], or leave per_try out");
  }
  message += "since retry_on does not name per-try-timeout: ";
  message += at.max_retries() == 1
                 ? "the retry is not for this"
                 : "none of the " + std::to_string(at.max_retries()) + " retries is for this";
  out.add(at.path + ".timeouts.per_try", message);
}

void request_timeout_unbounded_stream(const RouteAt& at, const Subject& subject, Findings& out) {
  const auto& timeouts = at.route.timeouts;
  const std::string path = at.path + ".timeouts.";
  const auto stream = endless_match(at.route.match);
  if (timeouts.request && stream && !subject.own(at, "timeouts.request")) {
    out.add(at.path + ".match." + *stream,
            "what the route takes are streams without an end, but timeouts.request cuts each off "
            "after " +
                time_text(*timeouts.request),
            "set timeouts: {request: off} on the route; idle still bounds the silence");
  }
  if (!timeouts.request && !timeouts.idle) {
    out.add(path + "idle",
            "request and idle are both off: an exchange that stalls keeps its connections and its "
            "place among max_requests for ever",
            "give idle a value longer than the longest silence, such as 60s");
  }
  if (!timeouts.tunnel_idle && subject.given(path + "tunnel_idle")) {
    out.add(path + "tunnel_idle",
            "off: for upgraded connections and event streams request and idle end at the head, so "
            "that one whose peer has vanished stays for ever",
            "give it a value longer than the longest silence, such as 24h");
  }
}

void idle_beyond_keepalive(const UpstreamAt& at, const Subject&, Findings& out) {
  const auto& idle = at.upstream.timeouts.idle;
  if (!idle || *idle < kUsualKeepAlive) return;
  out.add(at.path + ".timeouts.idle",
          "connections are kept " + time_text(*idle) +
              " unused, while many servers close theirs after " + time_text(kUsualKeepAlive) +
              ": what is sent on one that is just being closed is lost, and a POST not sent again");
}

}  // namespace outrigger::lint
