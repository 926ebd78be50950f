#include "proxy/http/head_scanner.h"

#include <bit>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

// The first control character from `from` on, or the end; many bytes a step.
std::size_t find_control(std::string_view bytes, std::size_t from) {
#ifdef __SSE2__
  const __m128i highest = _mm_set1_epi8(0x1f);
  for (; from + 16 <= bytes.size(); from += 16) {
    const __m128i sixteen = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + from));
    const __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(sixteen, highest), sixteen);
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(controls));
    if (mask != 0) return from + static_cast<std::size_t>(std::countr_zero(mask));
  }
#endif
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
