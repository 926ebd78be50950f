// Lets matches look header fields of a request up.
#pragma once

#include <algorithm>

#include "proxy/exchange/route_match.h"
#include "proxy/http/headers.h"

namespace outrigger::exchange {

class RequestHeaders final : public HeaderLookup {
 public:
  explicit RequestHeaders(const http::Headers& headers) : headers_(headers) {}
  bool any(std::string_view name, const Predicate& matches) const override {
    return std::ranges::any_of(headers_.all(), [&](const http::HeaderField& field) {
      return http::equals_ignore_case(field.name, name) && matches(field.value);
    });
  }

 private:
  const http::Headers& headers_;
};

}  // namespace outrigger::exchange
