#include "proxy/exchange/redirect.h"

namespace outrigger::exchange {
namespace {

constexpr std::string_view kOwnScheme = "http";
constexpr std::string_view kOwnPort = ":80";

}  // namespace

void write_location(const config::Redirect& redirect, const http::RequestHead& head,
                    std::string& out) {
  out.clear();
  const std::string_view scheme = redirect.scheme ? *redirect.scheme : kOwnScheme;
  std::string_view host = redirect.host ? *redirect.host : head.authority;
  const bool other_scheme = scheme != kOwnScheme;
  if (!redirect.host && other_scheme && host.ends_with(kOwnPort)) {
    host.remove_suffix(kOwnPort.size());
  }
  if (!host.empty()) out.append(scheme).append("://").append(host);
  if (redirect.path) {
    out.append(*redirect.path);
    if (!head.query().empty()) out.append("?").append(head.query());
  } else {
    out.append(head.target == "*" ? "/" : head.target);
  }
}

}  // namespace outrigger::exchange
