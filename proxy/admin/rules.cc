#include "proxy/admin/rules.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>

namespace outrigger::admin {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Of an authority: without its port, an IPv6 address with its brackets. Empty where anything but
// a port follows: what one reader takes for the host may be another's user name.
std::string_view host_of(std::string_view authority) {
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  const std::size_t colon = authority.find(':', bracket);
  if (colon == std::string_view::npos) return authority;
  return std::ranges::all_of(authority.substr(colon + 1), is_digit) ? authority.substr(0, colon)
                                                                    : std::string_view{};
}

bool is_ip(std::string_view host) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  const std::string text(bracketed ? host.substr(1, host.size() - 2) : host);
  if (text.find('\0') != std::string::npos) return false;  // inet_pton would stop there
  unsigned char buffer[16];
  return inet_pton(bracketed ? AF_INET6 : AF_INET, text.c_str(), buffer) == 1;
}

std::string own_name() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "";
}

// In a time that says nothing about where they differ.
bool same_secret(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? '\0' : b[i % b.size()];
    difference |= static_cast<unsigned char>(a[i] ^ other);
  }
  return difference == 0;
}

bool is_own(std::string_view origin, std::string_view authority) {
  const auto scheme_end = origin.find("://");
  return scheme_end != std::string_view::npos &&
         http::equals_ignore_case(origin.substr(scheme_end + 3), authority);
}

bool open_to_all(std::string_view path) {
  return path == "/metrics" || path == "/healthz" || path == "/readyz";
}

}  // namespace

Rules::Rules(std::optional<std::string> token, std::vector<std::string> hosts)
    : token_(std::move(token)), hosts_(std::move(hosts)) {
  hosts_.push_back("localhost");
  if (const std::string name = own_name(); !name.empty()) hosts_.push_back(name);
}

Rules Rules::metrics_only() {
  Rules rules(std::nullopt, {});
  rules.metrics_only_ = true;
  return rules;
}

bool Rules::knows_host(std::string_view authority) const {
  const std::string_view host = host_of(authority);
  if (host.empty()) return false;
  return is_ip(host) || std::ranges::any_of(hosts_, [host](const std::string& known) {
           return http::equals_ignore_case(host, known);
         });
}

bool Rules::has_token(const http::RequestHead& head) const {
  static constexpr std::string_view kScheme = "Bearer ";
  const std::string_view value = head.headers.value_of(http::Field::Authorization);
  return value.size() > kScheme.size() &&
         http::equals_ignore_case(value.substr(0, kScheme.size()), kScheme) &&
         same_secret(value.substr(kScheme.size()), *token_);
}

Verdict Rules::judge(const http::RequestHead& head) const {
  const bool reads = head.method == "GET" || head.method == "HEAD";
  if (metrics_only_) return reads ? Verdict{} : Verdict{405, "only GET and HEAD here"};
  if (!knows_host(head.authority)) {
    return {403, "unknown Host: use an IP address, localhost, or name it in admin.hosts"};
  }
  if (reads && open_to_all(head.path)) return {};
  if (token_ && !has_token(head)) return {401, "a token is needed: Authorization: Bearer ..."};
  return reads ? Verdict{} : judge_change(head);
}

Verdict Rules::judge_change(const http::RequestHead& head) const {
  if (head.method != "POST" && head.method != "PUT" && head.method != "DELETE") {
    return {405, "state changes only by POST, PUT and DELETE"};
  }
  for (const http::HeaderField& field : head.headers.all()) {
    if (http::equals_ignore_case(field.name, "Origin") && !is_own(field.value, head.authority)) {
      return {403, "a foreign Origin may not change anything"};
    }
  }
  const auto* header = head.headers.find("X-Outrigger-Admin");
  if (!token_ && !(header && header->value == "1")) {
    return {403, "state changes need the header X-Outrigger-Admin: 1"};
  }
  return {};
}

}  // namespace outrigger::admin
