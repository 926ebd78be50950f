// What a route asks of a request beyond host and path: methods, header fields, parameters of the
// query, a regex.
#pragma once

#include <re2/re2.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"

namespace outrigger::exchange {

// A request's header fields, however they are kept; likewise its query (query_parameters.h).
class HeaderLookup {
 public:
  using Predicate = std::function<bool(std::string_view)>;  // never outlives the call

  virtual ~HeaderLookup() = default;
  // Whether a field of that name, compared without case, has a value for which `matches` holds.
  virtual bool any(std::string_view name, const Predicate& matches) const = 0;
};

// The head of a request, as sent; views that live as long as the call.
struct RouteQuery {
  std::string_view host;  // may have a port
  std::string_view path;  // without the query
  std::string_view method;
  const HeaderLookup& headers;
  std::string_view query;  // without the `?`
};

// RE2 keeps no state that two threads could disturb.
using Regex = std::unique_ptr<const RE2>;
// `pattern` is valid: the configuration's validation has compiled it.
Regex compile_regex(const std::string& pattern);
bool found_in(const Regex& regex, std::string_view text);

class HeaderTest {
 public:
  explicit HeaderTest(const config::HeaderMatch& match);
  bool passes(const HeaderLookup& headers) const;

 private:
  bool accepts(std::string_view value) const;

  config::HeaderMatch match_;
  Regex regex_;
};

// One route, after its host and (but for a regex) its path have been found to match.
class RouteMatch {
 public:
  RouteMatch(const config::Match& match, std::uint32_t index);

  std::uint32_t index() const { return index_; }
  bool passes(const RouteQuery& query, std::string_view comparable_path) const;
  // Asked before the other, where host and path are the same.
  bool precedes(const RouteMatch& other) const;

 private:
  std::uint32_t index_;  // the order in which routes were written
  Regex path_;           // null: no regex
  std::vector<std::string> methods_;
  std::vector<HeaderTest> headers_;
  std::vector<HeaderTest> query_;  // asked of the query's parameters
};

}  // namespace outrigger::exchange
