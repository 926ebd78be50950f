#include "proxy/exchange/path_rewrite.h"

#include <algorithm>

namespace outrigger::exchange {
namespace {

std::string_view without_trailing_slash(std::string_view path) {
  if (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

}  // namespace

PathRewrite::PathRewrite(const config::Match& match, const std::string& replacement)
    : replacement_(without_trailing_slash(replacement)) {
  if (match.path_kind != config::Match::PathKind::Prefix) return;
  const auto prefix = without_trailing_slash(match.path);
  segments_ = static_cast<std::size_t>(std::ranges::count(prefix, '/'));
}

http::NewTarget PathRewrite::apply(const http::RequestHead& head) const {
  if (!head.path.starts_with('/')) return {};
  std::size_t end = 0;
  for (std::size_t i = 0; i < segments_; ++i) {
    end = std::min(head.path.find('/', end + 1), head.path.size());
  }
  auto rest = head.target.substr(end);
  if (!replacement_.empty()) return {replacement_, rest};
  if (rest.starts_with('/')) rest.remove_prefix(1);
  return {"/", rest};
}

}  // namespace outrigger::exchange
