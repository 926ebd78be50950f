#include "config/special_kinds.h"

#include <algorithm>

#include "config/describe.h"

namespace outrigger::config {
namespace {

constexpr Whole kRetryStatus{100, 599};
constexpr Whole kAbortStatus{400, 599};

bool has(const Yaml& route, std::string_view key) {
  const Yaml* value = route.find(key);
  return value && !is_off(*value);
}

// Such a route takes nothing over; what it names itself is refused by Routes.
bool answers_itself(const Yaml& route) {
  return (has(route, "respond") || has(route, "redirect")) && !route.find("upstream") &&
         !route.find("split");
}

std::vector<std::string_view> policy_names() {
  KeyNames keys;
  Route route;
  describe_policies(keys, route);
  return keys.names;
}

void refuse_policies(Reader& in, const Yaml& route) {
  for (const std::string_view name : policy_names()) {
    const Yaml* policy = route.find(name);
    if (!policy) continue;
    const auto step = in.into(name);
    in.fail(policy->key_at, "has no meaning on a route that answers itself");
  }
}

// The block's text with what it inherits; null: as it stands.
std::optional<Yaml> with_defaults(Reader& in, const Yaml* defaults, const Yaml& own,
                                  const char* name) {
  if (!defaults || own.kind != Yaml::Kind::Map) return std::nullopt;
  auto merged = merge(*defaults, own, in.inheritable);
  if (!merged) {
    in.fail(defaults->at, std::string{"'"} + name + "' is too large to be inherited so often");
  }
  return merged;
}

template <class T>
void read_merged(Reader& in, const Yaml& own, const std::optional<Yaml>& merged, T& out) {
  out.location = own.at;
  Block<T>{}.read(in, merged ? *merged : own, out);
}

template <class T>
Json render_list(const std::vector<T>& items) {
  return List<Block<T>>{}.render(items);
}

template <class T>
Json list_schema(Definitions& definitions) {
  Json schema = List<Block<T>>{}.alternatives(definitions);
  schema[0]["minItems"] = 1;
  return schema;
}

}  // namespace

// Match.

void PathAs::read(Reader& in, const Yaml& node, Match& out) const {
  std::string path;
  const std::size_t faults = in.faults();
  config::read(in, node, text(), path);
  if (in.faults() != faults || node.kind == Yaml::Kind::Broken) return;
  if (out.path_kind != Match::PathKind::Any) {
    return in.fail(node.key_at, "only one of path, path_prefix and path_regex may be given");
  }
  out.path_kind = kind;
  out.path = std::move(path);
}

Json PathAs::render(const Match& match) const {
  return match.path_kind == kind ? Json(match.path) : Json{};
}

bool HeaderAs::is_presence() const {
  return kind == HeaderMatch::Kind::Present || kind == HeaderMatch::Kind::Absent;
}

void HeaderAs::read(Reader& in, const Yaml& node, HeaderMatch& out) const {
  if (is_presence()) {
    bool present = true;
    config::read(in, node, Flag{}, present);
    out.kind = present ? HeaderMatch::Kind::Present : HeaderMatch::Kind::Absent;
    return;
  }
  out.kind = kind;
  config::read(in, node, text(), out.value);
}

Json HeaderAs::render(const HeaderMatch& match) const {
  if (match.name.empty()) return {};  // nothing read, nothing to show
  if (!is_presence()) return match.kind == kind ? Json(match.value) : Json{};
  if (match.kind == HeaderMatch::Kind::Present) return true;
  return match.kind == HeaderMatch::Kind::Absent ? Json(false) : Json{};
}

Json HeaderAs::alternatives(Definitions&) const {
  return is_presence() ? Flag{}.alternatives() : text().alternatives();
}

std::string HeaderAs::expected() const {
  return is_presence() ? Flag{}.expected() : text().expected();
}

// Small leaves.

std::optional<Misfit> RedirectStatus::parse(const Yaml& node, Value& out) const {
  std::uint64_t status = 0;
  if (auto wrong = Whole{301, 308}.parse(node, status)) return Misfit{wrong->hint};
  if (status >= 304 && status <= 306) return Misfit{};
  out = static_cast<int>(status);
  return std::nullopt;
}
Json RedirectStatus::alternatives() const {
  return Json::array({{{"enum", {301, 302, 303, 307, 308}}}});
}

std::optional<Misfit> AbortStatus::parse(const Yaml& node, Value& out) const {
  std::uint64_t status = 0;
  if (node.kind == Yaml::Kind::Scalar && node.text == "reset") {
    out = 0;
    return std::nullopt;
  }
  if (auto wrong = kAbortStatus.parse(node, status)) return Misfit{wrong->hint};
  out = static_cast<int>(status);
  return std::nullopt;
}
Json AbortStatus::alternatives() const {
  Json all = kAbortStatus.alternatives();
  all.push_back({{"const", "reset"}});
  return all;
}

std::optional<Misfit> HedgeDelay::parse(const Yaml& node, Value& out) const {
  if (node.kind == Yaml::Kind::Scalar && node.text.starts_with('p')) {
    const auto percentile = parse_whole(std::string_view{node.text}.substr(1));
    if (!percentile || percentile.value() < 50 || percentile.value() > 99) return Misfit{};
    out = {.percentile = static_cast<std::uint32_t>(percentile.value())};
    return std::nullopt;
  }
  Duration time{};
  if (auto wrong = Time{.max = std::chrono::hours{1}}.parse(node, time)) return wrong;
  out = {.time = time, .percentile = 0};
  return std::nullopt;
}
Json HedgeDelay::render(Value value) const {
  if (value.percentile != 0) return "p" + std::to_string(value.percentile);
  return duration_text(value.time);
}
Json HedgeDelay::alternatives() const {
  Json all = Time{}.alternatives();
  all.push_back({{"type", "string"}, {"pattern", "^p[5-9][0-9]$"}});
  return all;
}

std::optional<Misfit> StatusRangeKind::parse(const Yaml& node, Value& out) const {
  if (node.kind != Yaml::Kind::Scalar) return Misfit{};
  const std::string_view text = node.text;
  const auto dash = text.find('-');
  const auto first = parse_whole(text.substr(0, dash));
  const auto last = dash == text.npos ? first : parse_whole(text.substr(dash + 1));
  const bool fine =
      first && last && first.value() >= 100 && last.value() <= 599 && first.value() <= last.value();
  if (!fine) return Misfit{};
  out = {static_cast<int>(first.value()), static_cast<int>(last.value())};
  return std::nullopt;
}
Json StatusRangeKind::render(Value value) const {
  if (value.first == value.last) return value.first;
  return std::to_string(value.first) + "-" + std::to_string(value.last);
}
Json StatusRangeKind::alternatives() const {
  Json all = kRetryStatus.alternatives();
  all.push_back({{"type", "string"}, {"pattern", "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$"}});
  return all;
}

std::optional<Misfit> Timestamp::parse(const Yaml& node, Value& out) const {
  if (node.kind != Yaml::Kind::Scalar) return Misfit{};
  const auto parsed = parse_timestamp(node.text);
  if (!parsed) return Misfit{parsed.error()};
  out = parsed.value();
  return std::nullopt;
}
Json Timestamp::alternatives() const {
  return Json::array(
      {{{"type", "string"}, {"pattern", "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)$"}}});
}

// Rewrite, hash_on, split.

void RewriteHost::read(Reader& in, const Yaml& node, Rewrite& out) const {
  out.host.reset();
  out.host_auto = node.says("auto");
  if (out.host_auto) return;
  std::string host;
  const std::size_t faults = in.faults();
  config::read(in, node, Text{kAuthority}, host);
  if (in.faults() == faults) out.host = std::move(host);
}

Json RewriteHost::render(const Rewrite& rewrite) const {
  if (rewrite.host_auto) return "auto";
  return rewrite.host ? Json(*rewrite.host) : Json{};
}

void HashHeader::read(Reader& in, const Yaml& node, HashOn& out) const {
  out.kind = HashOn::Kind::Header;
  config::read(in, node, Text{kHeaderName}, out.name);
}

Json HashHeader::render(const HashOn& on) const {
  return on.kind == HashOn::Kind::Header ? Json(on.name) : Json{};
}

void HashCookie::read(Reader& in, const Yaml& node, HashOn& out) const {
  CookieKey cookie;
  Block<CookieKey>{}.read(in, node, cookie);
  out = {HashOn::Kind::Cookie, std::move(cookie.name), cookie.ttl};
}

Json HashCookie::render(const HashOn& on) const {
  if (on.kind != HashOn::Kind::Cookie) return {};
  return Block<CookieKey>{}.render({on.name, on.ttl});
}

Json HashCookie::alternatives(Definitions& definitions) const {
  return Block<CookieKey>{}.alternatives(definitions);
}

void HashOnKind::read(Reader& in, const Yaml& node, HashOn& out) const {
  out = {};
  if (node.kind == Yaml::Kind::Map) return Block<HashOn>{}.read(in, node, out);
  if (node.says("source_ip")) return;
  if (!node.says("path")) return in.expected(node, expected());
  out.kind = HashOn::Kind::Path;
}

Json HashOnKind::render(const HashOn& on) const {
  if (on.kind == HashOn::Kind::SourceIp) return "source_ip";
  return on.kind == HashOn::Kind::Path ? Json("path") : Block<HashOn>{}.render(on);
}

Json HashOnKind::alternatives(Definitions& definitions) const {
  Json all = Block<HashOn>{}.alternatives(definitions);
  all.push_back({{"enum", {"source_ip", "path"}}});
  return all;
}

void SplitKind::read(Reader& in, const Yaml& node, Split& out) const {
  out = {};
  if (node.kind == Yaml::Kind::Map) return Block<Split>{}.read(in, node, out);
  const std::size_t faults = in.faults();
  List<Block<SplitTarget>>{}.read(in, node, out.to);
  if (in.faults() == faults) check_block(in, node, out);
}

Json SplitKind::render(const Split& split) const {
  const auto list = List<Block<SplitTarget>>{};
  return split.hash_on ? Block<Split>{}.render(split) : list.render(split.to);
}

Json SplitKind::alternatives(Definitions& definitions) const {
  Json all = List<Block<SplitTarget>>{}.alternatives(definitions);
  all.push_back(Block<Split>{}.alternatives(definitions)[0]);
  return all;
}

void AdaptiveBlock::read(Reader& in, const Yaml& node, AdaptiveConcurrency& out) const {
  Block::read(in, node, out);
  const bool decided = node.find("initial") || out.min > out.max;
  if (!decided) out.initial = std::clamp(out.initial, out.min, out.max);
}

// Retry_on.

void RetryOnList::read(Reader& in, const Yaml& node, RetryOn& out) const {
  if (node.kind != Yaml::Kind::List) return in.expected(node, expected());
  out = {};
  auto known = Word<RetryWord>::known();
  known.push_back("default");
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const Yaml& item = node.items[i];
    in.note_unordered(item);
    const auto step = in.into(i);
    in.note(item);
    RetryWord word{};
    std::uint64_t status = 0;
    if (item.says("default")) {
      out.words.merge(Retry{}.retry_on.words);
    } else if (!Word<RetryWord>{}.parse(item, word)) {
      out.words.insert(word);
    } else if (!kRetryStatus.parse(item, status)) {
      out.statuses.insert(static_cast<int>(status));
    } else {
      const auto quotes = kRetryStatus.parse(item, status);
      const std::string hint =
          quotes->hint.empty() ? wrong_word(item, known, {}).hint : quotes->hint;
      in.expected(item, "a status from 100 to 599, " + one_of(known), hint);
    }
  }
}

Json RetryOnList::render(const RetryOn& on) const {
  Json list = Json::array();
  for (const auto& [name, word] : words(RetryWord{})) {
    if (on.words.contains(word)) list.push_back(std::string{name});
  }
  for (const int status : on.statuses) list.push_back(status);
  return list;
}

Json RetryOnList::alternatives(Definitions&) const {
  auto known = Word<RetryWord>::known();
  known.push_back("default");
  Json items = kRetryStatus.alternatives();
  items.push_back({{"enum", known}});
  return Json::array({{{"type", "array"}, {"items", any_of(std::move(items))}}});
}

// Headers.

void HeaderMap::read(Reader& in, const Yaml& node, Headers& out) const {
  if (node.kind != Yaml::Kind::Map) return in.expected(node, expected());
  out.clear();
  for (const Yaml& item : node.items) {
    const auto step = in.into(item.key);
    in.note(item);
    std::string name = item.key;
    std::string value;
    if (kHeaderName.check(name)) in.fail(item.key_at, "a header name cannot look like this");
    config::read(in, item, Text{kHeaderValue}, value);
    out.emplace_back(std::move(name), std::move(value));
  }
}

Json HeaderMap::render(const Headers& headers) const {
  Json map = Json::object();
  for (const auto& [name, value] : headers) map[name] = value;
  return map;
}

Json HeaderMap::alternatives(Definitions&) const {
  return Json::array({{{"type", "object"},
                       {"propertyNames", {{"pattern", std::string{kHeaderName.pattern}}}},
                       {"additionalProperties", {{"type", "string"}}}}});
}

// Routes, listeners, upstreams.

void Routes::read(Reader& in, const Yaml& node, std::vector<Route>& out) const {
  if (node.kind != Yaml::Kind::List) return in.expected(node, expected());
  if (node.items.empty()) return in.fail(node.at, "empty (expected at least one route)");
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const Yaml& own = node.items[i];
    const auto step = in.into(i);
    in.note(own);
    Route& route = out.emplace_back();
    if (answers_itself(own)) {
      refuse_policies(in, own);
      read_merged(in, own, std::nullopt, route);
    } else {
      read_merged(in, own, with_defaults(in, in.route_defaults, own, "defaults.route"), route);
    }
  }
}

Json Routes::render(const std::vector<Route>& routes) const {
  Json list = render_list(routes);
  for (Json& route : list) {
    for (const char* action : {"split", "respond", "redirect"}) {
      if (route[action] == "off") route.erase(action);
    }
    if (!route.contains("respond") && !route.contains("redirect")) continue;
    for (const std::string_view name : policy_names()) route.erase(std::string{name});
  }
  return list;
}

Json Routes::alternatives(Definitions& definitions) const {
  return list_schema<Route>(definitions);
}

void Listeners::read(Reader& in, const Yaml& node, std::vector<Listener>& out) const {
  if (node.kind != Yaml::Kind::List) return in.expected(node, expected());
  if (node.items.empty()) return in.fail(node.at, "empty (expected at least one listener)");
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const auto step = in.into(i);
    in.note(node.items[i]);
    read_merged(in, node.items[i], std::nullopt, out.emplace_back());
  }
}

Json Listeners::render(const std::vector<Listener>& listeners) const {
  return render_list(listeners);
}

Json Listeners::alternatives(Definitions& definitions) const {
  return list_schema<Listener>(definitions);
}

void Upstreams::read(Reader& in, const Yaml& node, std::vector<Upstream>& out) const {
  if (node.kind != Yaml::Kind::Map) return in.expected(node, expected());
  for (const Yaml& own : node.items) {
    const auto step = in.into(own.key);
    in.note(own);
    Upstream& upstream = out.emplace_back();
    upstream.name = own.key;
    if (kName.check(upstream.name)) {
      in.fail(own.key_at, "not a name (expected " + std::string{kName.expected} + ")");
    }
    const auto merged = with_defaults(in, in.upstream_defaults, own, "defaults.upstream");
    read_merged(in, own, merged, upstream);
  }
}

Json Upstreams::render(const std::vector<Upstream>& upstreams) const {
  Json map = Json::object();
  for (const Upstream& upstream : upstreams) {
    map[upstream.name] = Block<Upstream>{}.render(upstream);
  }
  return map;
}

Json Upstreams::alternatives(Definitions& definitions) const {
  return Json::array({{{"type", "object"},
                       {"propertyNames", {{"pattern", std::string{kName.pattern}}}},
                       {"additionalProperties", Block<Upstream>{}.alternatives(definitions)[0]}}});
}

// Defaults, version.

void DefaultsBlock::read(Reader& in, const Yaml& node, const Config&) const {
  Defaults checked;
  in.partial = true;
  Block<Defaults>{}.read(in, node, checked);
  in.partial = false;
}

Json DefaultsBlock::alternatives(Definitions& definitions) const {
  return Block<Defaults>{}.alternatives(definitions);
}

void Version::read(Reader& in, const Yaml& node, const Config&) const {
  std::uint64_t version = 0;
  const auto fault = Whole{0, UINT32_MAX}.parse(node, version);
  if (fault) return in.expected(node, expected(), fault->hint);
  if (version != 1) report(in, node, Misfit{{}, true}, expected());
}

}  // namespace outrigger::config
