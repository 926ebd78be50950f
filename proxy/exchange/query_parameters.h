// A request's query, as routes compare its parameters: names and values percent-decoded, `+` is a
// space (as forms write it). Of several parameters of one name the first counts; one without `=`
// has the empty value. What is forwarded stays as sent.
#pragma once

#include <string_view>

#include "proxy/exchange/route_match.h"

namespace outrigger::exchange {

class QueryParameters final : public HeaderLookup {
 public:
  // `query`: what follows the `?`, as sent.
  explicit QueryParameters(std::string_view query) : query_(query) {}
  // Unlike those of header fields, names are compared with case. Allocates nothing, save for a
  // value with escapes beyond 1 KiB.
  bool any(std::string_view name, const Predicate& matches) const override;

 private:
  std::string_view query_;
};

}  // namespace outrigger::exchange
