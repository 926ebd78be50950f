#include "proxy/exchange/route_match.h"

#include <algorithm>

#include "proxy/base/check.h"
#include "proxy/exchange/query_parameters.h"

namespace outrigger::exchange {
namespace {

bool any_value(std::string_view) {
  return true;
}

}  // namespace

Regex compile_regex(const std::string& pattern) {
  auto regex = std::make_unique<const RE2>(pattern, RE2::Quiet);
  INVARIANT(regex->ok());
  return regex;
}

bool found_in(const Regex& regex, std::string_view text) {
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *regex);
}

HeaderTest::HeaderTest(const config::HeaderMatch& match) : match_(match) {
  if (match.kind == config::HeaderMatch::Kind::Regex) regex_ = compile_regex(match.value);
}

bool HeaderTest::passes(const HeaderLookup& headers) const {
  using Kind = config::HeaderMatch::Kind;
  if (match_.kind == Kind::Present) return headers.any(match_.name, any_value);
  if (match_.kind == Kind::Absent) return !headers.any(match_.name, any_value);
  // One captured pointer: fits into the function object, nothing is allocated.
  return headers.any(match_.name, [this](std::string_view value) { return accepts(value); });
}

bool HeaderTest::accepts(std::string_view value) const {
  if (regex_) return found_in(regex_, value);
  const bool prefix = match_.kind == config::HeaderMatch::Kind::Prefix;
  return prefix ? value.starts_with(match_.value) : value == match_.value;
}

RouteMatch::RouteMatch(const config::Match& match, std::uint32_t index)
    : index_(index), methods_(match.methods) {
  if (match.path_kind == config::Match::PathKind::Regex) path_ = compile_regex(match.path);
  for (const auto& header : match.headers) headers_.emplace_back(header);
  for (const auto& parameter : match.query) query_.emplace_back(parameter);
}

bool RouteMatch::passes(const RouteQuery& query, std::string_view comparable_path) const {
  if (!methods_.empty() && std::ranges::find(methods_, query.method) == methods_.end()) {
    return false;
  }
  if (path_ && !found_in(path_, comparable_path)) return false;
  const auto all_pass = [](const std::vector<HeaderTest>& tests, const HeaderLookup& fields) {
    return std::ranges::all_of(tests, [&](const HeaderTest& test) { return test.passes(fields); });
  };
  return all_pass(headers_, query.headers) && all_pass(query_, QueryParameters(query.query));
}

bool RouteMatch::precedes(const RouteMatch& other) const {
  if (methods_.empty() != other.methods_.empty()) return other.methods_.empty();
  if (headers_.size() != other.headers_.size()) return headers_.size() > other.headers_.size();
  if (query_.size() != other.query_.size()) return query_.size() > other.query_.size();
  return index_ < other.index_;
}

}  // namespace outrigger::exchange
