// The checks of single blocks; see validate.h. They run only on blocks without other faults.
#include <algorithm>
#include <array>

#include "config/quantity.h"
#include "config/validate.h"

namespace outrigger::config {
namespace {

// Framing is the proxy's own; a second opinion in a header is how requests get smuggled.
constexpr std::array<std::string_view, 7> kFramingHeaders = {
    "connection",        "content-length", "keep-alive", "trailer",
    "transfer-encoding", "upgrade",        "date"};

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

// `shorter` must not be longer than `longer`; reported at the one of the two that was written.
void in_order(Reader& in, const Yaml& node, std::string_view shorter, Duration short_value,
              std::string_view longer, Duration long_value) {
  if (short_value <= long_value) return;
  const Yaml* written = node.find(longer);
  if (written) {
    const auto step = in.into(longer);
    in.fail(written->at, duration_text(long_value) + " is shorter than " + std::string{shorter} +
                             ", " + duration_text(short_value));
    return;
  }
  written = node.find(shorter);
  const auto step = in.into(shorter);
  in.fail(written ? written->at : node.at, duration_text(short_value) + " is longer than " +
                                               std::string{longer} + ", " +
                                               duration_text(long_value));
}

}  // namespace

void check_block(Reader& in, const Yaml& node, const HeaderMatch&) {
  int given = 0;
  for (const std::string_view key : {"value", "prefix", "regex", "present"}) {
    if (node.find(key)) ++given;
  }
  if (given != 1) {
    in.fail(node.at, std::string{given == 0 ? "no condition" : "several conditions"} +
                         " (expected one of value, prefix, regex and present)");
  }
}

void check_block(Reader& in, const Yaml& node, const Respond& respond) {
  const bool bodiless = respond.status == 204 || respond.status == 205 || respond.status == 304;
  if (bodiless && !respond.body.empty()) {
    const auto step = in.into("body");
    in.fail(node.find("body")->at, "a " + std::to_string(respond.status) + " response has no body");
  }
  const Yaml* headers = node.find("headers");
  if (!headers) return;
  const auto step = in.into("headers");
  for (const Yaml& header : headers->items) {
    const auto& framing = kFramingHeaders;
    if (std::find(framing.begin(), framing.end(), lower(header.key)) == framing.end()) continue;
    const auto name = in.into(header.key);
    in.fail(header.key_at, "this header is the proxy's own to set");
  }
}

void check_block(Reader& in, const Yaml& node, const Backoff& backoff) {
  // A base beyond the default bound is merely bounded by it.
  if (node.find("max")) in_order(in, node, "base", backoff.base, "max", backoff.max);
}

void check_block(Reader& in, const Yaml& node, const CircuitBreaker& breaker) {
  in_order(in, node, "open_for", breaker.open_for, "max_open_for", breaker.max_open_for);
}

void check_block(Reader& in, const Yaml& node, const OutlierDetection& detection) {
  in_order(in, node, "base_ejection_time", detection.base_ejection_time, "max_ejection_time",
           detection.max_ejection_time);
}

void check_block(Reader& in, const Yaml& node, const Route& route) {
  if (route.upstream && route.respond) {
    const auto step = in.into("respond");
    in.fail(node.find("respond")->key_at, "only one of upstream and respond may be given");
  } else if (!route.upstream && !route.respond) {
    in.fail(node.at, "no action (expected one of upstream and respond)");
  }
}

}  // namespace outrigger::config
