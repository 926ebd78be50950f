// Which fields end at this hop and are not passed on (RFC 9110, 7.6.1).
#pragma once

#include <string_view>

#include "proxy/http/headers.h"

namespace outrigger::http {

class HopByHop {
 public:
  // `headers` outlives it. `names_others`: see RequestHead.
  HopByHop(const Headers& headers, bool names_others)
      : headers_(headers), names_others_(names_others) {}
  bool dropped(const HeaderField& field) const {
    return always_dropped(field.id) || (names_others_ && named(field));
  }
  // Whatever Connection says.
  static constexpr bool always_dropped(Field id) {
    switch (id) {
      case Field::Connection:
      case Field::KeepAlive:
      case Field::Proxy:
      case Field::ProxyConnection:
      case Field::Te:
      case Field::TransferEncoding:
      case Field::Upgrade:
        return true;
      default:
        return false;
    }
  }

 private:
  bool named(const HeaderField& field) const;

  const Headers& headers_;
  bool names_others_;
};

}  // namespace outrigger::http
