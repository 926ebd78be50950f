#include "proxy/exchange/path_dots.h"

namespace outrigger::exchange {
namespace {

// Takes one dot from the front, `.` or `%2e`.
bool take_dot(std::string_view& segment) {
  if (segment.starts_with('.')) {
    segment.remove_prefix(1);
    return true;
  }
  if (segment.size() >= 3 && segment[0] == '%' && segment[1] == '2' &&
      (segment[2] == 'e' || segment[2] == 'E')) {
    segment.remove_prefix(3);
    return true;
  }
  return false;
}

bool only_dots(std::string_view segment) {
  if (!take_dot(segment)) return false;
  return segment.empty() || (take_dot(segment) && segment.empty());
}

}  // namespace

bool has_dot_segments(std::string_view path) {
  if (path.find('.') == std::string_view::npos && path.find('%') == std::string_view::npos) {
    return false;
  }
  while (!path.empty()) {
    const auto slash = path.find('/');
    if (only_dots(path.substr(0, slash))) return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
  return false;
}

}  // namespace outrigger::exchange
