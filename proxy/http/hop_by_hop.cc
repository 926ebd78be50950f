#include "proxy/http/hop_by_hop.h"

#include "proxy/http/tokens.h"

namespace outrigger::http {
namespace {

bool usual(std::string_view option) {
  return equals_ignore_case(option, "close") || equals_ignore_case(option, "keep-alive") ||
         equals_ignore_case(option, "upgrade") || equals_ignore_case(option, "te");
}

}  // namespace

HopByHop::HopByHop(const Headers& headers) : headers_(headers) {
  if (!headers.has(Field::Connection)) return;
  for (const HeaderField& field : headers.all()) {
    if (field.id != Field::Connection) continue;
    for_each_element(field.value, [this](std::string_view option) {
      names_others_ = names_others_ || !usual(option);
    });
  }
}

bool HopByHop::always_dropped(Field id) {
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

bool HopByHop::dropped(const HeaderField& field) const {
  if (always_dropped(field.id)) return true;
  if (!names_others_) return false;
  bool named = false;
  for (const HeaderField& connection : headers_.all()) {
    if (connection.id != Field::Connection) continue;
    for_each_element(connection.value, [&](std::string_view option) {
      named = named || equals_ignore_case(option, field.name);
    });
  }
  return named;
}

}  // namespace outrigger::http
