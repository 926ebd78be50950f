#include "proxy/admin/paths.h"

#include <algorithm>

namespace outrigger::admin {
namespace {

// A word of `*` is any name; `a|b` one of them.
struct Path {
  std::vector<std::string_view> words;
  std::string_view methods;
};

const std::vector<Path>& known_paths() {
  static constexpr std::string_view kReads = "GET, HEAD";
  static const std::vector<Path> kPaths = {
      {{}, kReads},
      {{"metrics"}, kReads},
      {{"healthz"}, kReads},
      {{"readyz"}, kReads},
      {{"config"}, kReads},
      {{"routes"}, kReads},
      {{"upstreams"}, kReads},
      {{"events"}, kReads},
      {{"reload"}, "POST"},
      {{"drain"}, "POST, DELETE"},
      {{"quit"}, "POST"},
      {{"upstreams", "*", "endpoints", "*", "eject|restore"}, "POST"},
      {{"circuit-breakers", "route|upstream", "*", "open|close|auto"}, "POST"},
      {{"faults", "*"}, "PUT, DELETE"},
      {{"log-level", "*"}, "POST"},
  };
  return kPaths;
}

bool fits(std::string_view word, std::string_view segment) {
  if (word == "*") return !segment.empty();
  for (std::size_t at = 0; at <= word.size();) {
    const std::size_t end = std::min(word.find('|', at), word.size());
    if (word.substr(at, end - at) == segment) return true;
    at = end + 1;
  }
  return false;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = digit_of(text[i + 1]), low = digit_of(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

}  // namespace

std::optional<Segments> segments_of(std::string_view path) {
  Segments segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    auto segment = decoded(path.substr(0, end));
    if (!segment) return std::nullopt;
    segments.push_back(std::move(*segment));
    if (end + 1 == path.size()) segments.emplace_back();  // `/x/` is not `/x`
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return segments;
}

std::string_view methods_of(const Segments& path) {
  for (const Path& known : known_paths()) {
    if (std::ranges::equal(known.words, path, fits)) return known.methods;
  }
  return {};
}

bool names_method(std::string_view methods, std::string_view method) {
  while (!methods.empty()) {
    const std::size_t end = std::min(methods.find(", "), methods.size());
    if (methods.substr(0, end) == method) return true;
    methods.remove_prefix(std::min(end + 2, methods.size()));
  }
  return false;
}

}  // namespace outrigger::admin
