#include "proxy/http/hop_by_hop.h"

#include "proxy/http/tokens.h"

namespace outrigger::http {

bool HopByHop::named(const HeaderField& field) const {
  bool found = false;
  for (const HeaderField& connection : headers_.all()) {
    if (connection.id != Field::Connection) continue;
    for_each_element(connection.value, [&](std::string_view option) {
      found = found || equals_ignore_case(option, field.name);
    });
  }
  return found;
}

}  // namespace outrigger::http
