#include "config/diagnostic.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <tuple>

namespace outrigger::config {
namespace {

constexpr std::size_t kMaxQuoted = 60;
// A word further away than this is another word, not a slip.
constexpr std::size_t kMaxDistance = 2;

bool before(const Diagnostic& a, const Diagnostic& b) {
  return std::tie(a.line, a.column) < std::tie(b.line, b.column);
}

// Optimal string alignment: insertions, deletions, changes, and swapped neighbours as one slip.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> two_up(b.size() + 1), up(b.size() + 1), row(b.size() + 1);
  std::iota(up.begin(), up.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = up[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({up[j] + 1, row[j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], two_up[j - 2] + 1);
      }
    }
    std::swap(two_up, up);
    std::swap(up, row);
  }
  return up[b.size()];
}

bool near_in_length(std::string_view a, std::string_view b) {
  const std::size_t longer = std::max(a.size(), b.size());
  return longer - std::min(a.size(), b.size()) <= kMaxDistance;
}

std::string folded(std::string_view word) {
  std::string text{word};
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-') c = '_';
  }
  return text;
}

void append_visible(std::string& out, char c) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  if (byte == '\n') {
    out += "\\n";
  } else if (byte < 0x20 || byte == 0x7f) {
    out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
  } else {
    out += c;
  }
}

// Keys are the user's words too.
std::string visible(std::string_view path) {
  std::string out;
  for (const char c : path) append_visible(out, c);
  return out;
}

}  // namespace

Location place_of(const Places& places, std::string path) {
  while (true) {
    const auto found = places.find(path);
    if (found != places.end()) return found->second;
    const auto cut = path.find_last_of(".[");
    if (cut == std::string::npos) return {1, 1};
    path.resize(cut);
  }
}

std::string to_text(const std::string& file, const Diagnostic& diagnostic) {
  std::string text = file + ":";
  if (diagnostic.line > 0) {
    text += std::to_string(diagnostic.line) + ":" + std::to_string(diagnostic.column) + ":";
  }
  if (!diagnostic.path.empty()) text += " " + visible(diagnostic.path) + ":";
  return text + " " + diagnostic.message;
}

std::string to_text(const std::string& file, const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) text += to_text(file, diagnostic) + "\n";
  return text;
}

void Diagnostics::add(Location at, std::string path, std::string message) {
  Diagnostic added{at.line, at.column, std::move(path), std::move(message)};
  const auto [first, last] = std::equal_range(kept_.begin(), kept_.end(), added, before);
  const bool known = at.line > 0 && std::any_of(first, last, [&](const Diagnostic& other) {
                       return other.message == added.message;
                     });
  if (known) return;
  kept_.insert(last, std::move(added));
  if (kept_.size() > kMaxDiagnostics) drop_last();
}

void Diagnostics::drop_last() {
  const Diagnostic& last = kept_.back();
  dropped_.insert(
      std::hash<std::string>{}(to_text("", {last.line, last.column, "", last.message})));
  kept_.pop_back();
}

std::vector<Diagnostic> Diagnostics::take() {
  if (!dropped_.empty()) {
    kept_.push_back({0, 0, "", "… and " + std::to_string(dropped_.size()) + " more"});
  }
  return std::move(kept_);
}

std::string in_quotes(std::string_view text) {
  std::string out = "'";
  std::size_t taken = 0;
  for (const char c : text) {
    // Not in the middle of a UTF-8 sequence.
    if (taken++ >= kMaxQuoted && (static_cast<unsigned char>(c) & 0xc0) != 0x80) return out + "…'";
    append_visible(out, c);
  }
  return out + "'";
}

std::string one_of(std::span<const std::string_view> words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known) {
  std::string_view nearest;
  std::size_t best = kMaxDistance + 1;
  for (const std::string_view candidate : known) {
    if (!near_in_length(word, candidate)) continue;
    const std::size_t distance = edit_distance(folded(word), folded(candidate));
    // Of a short word most letters must stand.
    if (distance >= best || distance * 2 >= candidate.size()) continue;
    best = distance;
    nearest = candidate;
  }
  return nearest.empty() ? "" : "did you mean " + in_quotes(nearest) + "?";
}

}  // namespace outrigger::config
