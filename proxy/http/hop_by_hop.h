// Which fields end at this hop and are not passed on (RFC 9110, 7.6.1).
#pragma once

#include <string_view>

#include "proxy/http/headers.h"

namespace outrigger::http {

class HopByHop {
 public:
  // `headers` outlives it.
  explicit HopByHop(const Headers& headers);
  bool dropped(const HeaderField& field) const;
  // Whatever Connection says.
  static bool always_dropped(Field id);

 private:
  const Headers& headers_;
  bool names_others_ = false;  // Connection names more than close, keep-alive, upgrade, te
};

}  // namespace outrigger::http
