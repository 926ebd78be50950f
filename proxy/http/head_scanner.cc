#include "proxy/http/head_scanner.h"

#include <algorithm>
#include <cstring>

namespace outrigger::http {
namespace {

using Outcome = HeadScanner::Outcome;

Outcome refused(HeadError error) {
  return {.kind = Outcome::Kind::Error, .error = error};
}

bool blank(char c) {
  return c == ' ' || c == '\t';
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20;
}

// The first control character from `from` on, or the end; eight bytes a step.
std::size_t find_control(std::string_view bytes, std::size_t from) {
  constexpr std::uint64_t kEach = 0x0101010101010101;
  for (; from + 8 <= bytes.size(); from += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, bytes.data() + from, 8);
    if ((eight - kEach * 0x20) & ~eight & (kEach * 0x80)) break;
  }
  while (from < bytes.size() && !is_control(bytes[from])) ++from;
  return from;
}

}  // namespace

Outcome HeadScanner::scan(std::string_view bytes, std::size_t max_bytes) {
  // What lies beyond the bound is not looked at, so that pieces and the whole end alike.
  const std::string_view seen = bytes.substr(0, max_bytes);
  while (next_ < seen.size()) {
    if (blank(seen[line_])) return refused(HeadError::Malformed);
    next_ = find_control(seen, next_);
    if (next_ == seen.size()) break;
    if (seen[next_] == '\t') {
      ++next_;
      continue;
    }
    if (seen[next_] != '\r') return refused(HeadError::Malformed);
    if (next_ + 1 == seen.size()) break;
    if (seen[next_ + 1] != '\n') return refused(HeadError::Malformed);
    const bool empty = next_ == line_;
    next_ += 2;
    line_ = next_;
    if (empty && begun_) return {.kind = Outcome::Kind::Complete, .length = next_};
    if (empty && ++leading_lines_ > kMaxLeadingLines) return refused(HeadError::Malformed);
    begun_ = begun_ || !empty;
  }
  if (bytes.size() >= max_bytes) return refused(HeadError::HeadTooLarge);
  return {};
}

}  // namespace outrigger::http
