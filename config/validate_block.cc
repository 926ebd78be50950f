// The checks of single blocks; see validate.h. They run only on blocks without other faults.
#include <algorithm>
#include <array>
#include <initializer_list>

#include "config/diagnostic.h"
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

constexpr const char* kProxysOwn = "this header is the proxy's own to set";

bool is_framing(const std::string& name) {
  const auto& framing = kFramingHeaders;
  return std::find(framing.begin(), framing.end(), lower(name)) != framing.end();
}

void exactly_one(Reader& in, const Yaml& node, std::initializer_list<std::string_view> keys) {
  const auto is_given = [&node](std::string_view key) {
    const Yaml* value = node.find(key);
    return value && !(value->text == "off" || value->is("false"));
  };
  const auto given = std::count_if(keys.begin(), keys.end(), is_given);
  if (given == 1) return;
  const std::vector<std::string_view> names{keys};
  in.fail(node.at, (given == 0 ? "expected one of " : "expected only one of ") + one_of(names));
}

// Host goes by rewrite; the rest is how the proxy keeps its word to others.
void check_changed_name(Reader& in, Location at, const std::string& name) {
  const std::string known = lower(name);
  if (known == "host") return in.fail(at, "rewrite.host changes the Host header");
  const bool of_this_hop = known == "te" || known == "proxy" || known == "proxy-connection";
  if (is_framing(name) || of_this_hop || known.starts_with("x-outrigger-")) {
    in.fail(at, kProxysOwn);
  }
}

void check_variables(Reader& in, const Yaml& field) {
  constexpr std::array<std::string_view, 4> kVariables = {"request_id", "client_ip", "upstream",
                                                          "attempt"};
  const std::string_view text = field.text;
  for (std::size_t at = text.find("%{"); at != text.npos; at = text.find("%{", at + 2)) {
    const auto end = text.find('}', at);
    const auto name = text.substr(at + 2, end == text.npos ? text.npos : end - at - 2);
    if (end != text.npos &&
        std::find(kVariables.begin(), kVariables.end(), name) != kVariables.end()) {
      continue;
    }
    const auto hint =
        end == text.npos ? std::string{"the } is missing"} : did_you_mean(name, kVariables);
    in.fail(field.at, "there is no variable " +
                          in_quotes(text.substr(at, end == text.npos ? text.npos : end - at + 1)) +
                          " (" + (hint.empty() ? "expected " + one_of(kVariables) : hint) + ")");
  }
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

void check_block(Reader& in, const Yaml& node, const QueryMatch& match) {
  check_block(in, node, static_cast<const HeaderMatch&>(match));
}

void check_block(Reader& in, const Yaml& node, const Redirect& redirect) {
  if (!redirect.scheme && !redirect.host && !redirect.path) {
    in.fail(node.at, "leads back to where it came from (expected scheme, host or path)");
  }
}

void check_block(Reader& in, const Yaml& node, const HashOn&) {
  exactly_one(in, node, {"header", "cookie"});
}

void check_block(Reader& in, const Yaml& node, const Split& split) {
  const auto weighty = [](const SplitTarget& target) { return target.weight > 0; };
  if (std::none_of(split.to.begin(), split.to.end(), weighty)) {
    in.fail(node.at, "nobody gets anything (expected a weight above 0)");
  }
  for (auto i = split.to.begin(); i != split.to.end(); ++i) {
    const auto same = [&](const SplitTarget& other) { return other.upstream == i->upstream; };
    if (std::any_of(split.to.begin(), i, same)) {
      in.fail(i->location, "the upstream " + in_quotes(i->upstream) + " stands here twice");
    }
  }
}

void check_block(Reader& in, const Yaml& node, const Fallback&) {
  exactly_one(in, node, {"respond", "upstream"});
}

void check_block(Reader& in, const Yaml& node, const AdaptiveConcurrency& adaptive) {
  const auto min = adaptive.min, max = adaptive.max, initial = adaptive.initial;
  const bool written = node.find("initial");
  if (min <= max && (!written || (min <= initial && initial <= max))) return;
  in.fail(node.at, "min " + std::to_string(min) +
                       (written ? ", initial " + std::to_string(initial) : "") + ", max " +
                       std::to_string(max) + " are not in this order");
}

void check_block(Reader& in, const Yaml& node, const Fault& fault) {
  if (!fault.delay && !fault.abort) in.fail(node.at, "no fault (expected delay or abort)");
}

void check_block(Reader& in, const Yaml& node, const Rewrite& rewrite) {
  if (!rewrite.path_prefix && !rewrite.host && !rewrite.host_auto) {
    in.fail(node.at, "nothing to rewrite (expected path_prefix or host)");
  }
}

void check_block(Reader& in, const Yaml& node, const HeaderChanges&) {
  for (const char* what : {"set", "add"}) {
    const Yaml* fields = node.find(what);
    if (!fields) continue;
    const auto step = in.into(what);
    for (const Yaml& field : fields->items) {
      const auto name = in.into(field.key);
      check_changed_name(in, field.key_at, field.key);
      check_variables(in, field);
    }
  }
  const Yaml* removed = node.find("remove");
  if (!removed) return;
  const auto step = in.into("remove");
  for (std::size_t i = 0; i < removed->items.size(); ++i) {
    const auto index = in.into(i);
    check_changed_name(in, removed->items[i].at, removed->items[i].text);
  }
}

void check_block(Reader& in, const Yaml& node, const HttpHealthCheck& check) {
  if (check.expect.empty()) {
    const auto step = in.into("expect");
    in.fail(node.find("expect")->at, "empty (expected at least one status)");
  }
  const Yaml* headers = node.find("headers");
  if (!headers) return;
  const auto step = in.into("headers");
  for (const Yaml& header : headers->items) {
    const auto name = in.into(header.key);
    if (lower(header.key) == "host") {
      in.fail(header.key_at, "the Host header is the key `host` beside `headers`");
    } else {
      check_changed_name(in, header.key_at, header.key);
    }
  }
}

void check_block(Reader& in, const Yaml& node, const HealthCheck&) {
  exactly_one(in, node, {"http", "tcp"});
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
    const auto name = in.into(header.key);
    if (is_framing(header.key)) in.fail(header.key_at, kProxysOwn);
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
  constexpr std::array<std::string_view, 4> kActions = {"upstream", "split", "respond", "redirect"};
  const int given = route.upstream.has_value() + route.split.has_value() +
                    route.respond.has_value() + route.redirect.has_value();
  if (given == 0) in.fail(node.at, "no action (expected one of " + one_of(kActions) + ")");
  if (given > 1) {
    const Yaml* last = nullptr;
    for (const std::string_view action : kActions) {
      if (const Yaml* found = node.find(action)) last = found;
    }
    const auto step = in.into(last->key);
    in.fail(last->key_at, "only one of " + one_of(kActions) + " may be given");
  }
  if (!route.rewrite || !route.rewrite->path_prefix) return;
  if (route.match.path_kind == Match::PathKind::Exact ||
      route.match.path_kind == Match::PathKind::Regex) {
    const auto step = in.into("rewrite.path_prefix");
    in.fail(node.find("rewrite")->find("path_prefix")->at,
            "there is no prefix to replace (expected match.path_prefix)");
  }
}

}  // namespace outrigger::config
