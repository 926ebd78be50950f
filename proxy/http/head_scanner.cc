#include "proxy/http/head_scanner.h"

#include <algorithm>
#include <bit>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "proxy/http/tokens.h"

namespace outrigger::http {
namespace {

using Outcome = HeadScanner::Outcome;

Outcome refused(HeadError error) {
  return {.kind = Outcome::Kind::Error, .error = error};
}

bool control(char c) {
  return static_cast<unsigned char>(c) < 0x20;
}

// Whether a line ends there; two bytes are looked at.
bool ends_line(const char* at) {
  return std::memcmp(at, "\r\n", 2) == 0;
}

constexpr std::size_t kBlock = 64;

// Which of the bytes of a block are control characters or beyond ASCII, a bit each: as signed
// numbers these are the lowest, which takes one step less than to leave the latter out. Asked for
// are the others: of SSE2's "less than", compilers make two steps.
std::uint64_t low_bytes_in(const char* at) {
#ifdef __SSE2__
  std::uint64_t others = 0;
  const __m128i highest_low = _mm_set1_epi8(0x1f);
  for (std::size_t i = 0; i < kBlock; i += 16) {
    const __m128i sixteen = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + i));
    const int higher = _mm_movemask_epi8(_mm_cmpgt_epi8(sixteen, highest_low));
    others |= std::uint64_t{static_cast<unsigned>(higher)} << i;
  }
  return ~others;
#else
  std::uint64_t low = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    low |= std::uint64_t{static_cast<signed char>(at[i]) < 0x20} << i;
  }
  return low;
#endif
}

// Of those from `at` on, as many as there are.
std::uint64_t low_bytes_from(std::string_view bytes, std::size_t at) {
  const std::size_t rest = bytes.size() - at;
  if (rest >= kBlock) return low_bytes_in(bytes.data() + at);
  if (bytes.size() >= kBlock) {  // the last block, without what was looked at before
    return low_bytes_in(bytes.data() + bytes.size() - kBlock) >> (kBlock - rest);
  }
  char block[kBlock];
  std::memset(block, '.', kBlock);
  std::memcpy(block, bytes.data() + at, rest);
  return low_bytes_in(block);
}

}  // namespace

// What ends a line stands out from what is in it by being a control character, of which a head has
// no others than tabs. So whole blocks are passed over, and each line costs a few steps.
Outcome HeadScanner::scan(std::string_view bytes, std::size_t max_bytes) {
  // What lies beyond the bound is not looked at, so that pieces and the whole end alike.
  const std::size_t size = std::min(bytes.size(), max_bytes);
  const char* const seen = bytes.data();
  std::size_t line = line_;  // where it begins
  std::size_t next = next_;  // what is before has been looked at
  if (line < size && is_blank(seen[line])) return refused(HeadError::Malformed);
  for (std::size_t block = next; block < size; block += kBlock) {
    std::uint64_t low = low_bytes_from(bytes.substr(0, size), block);
    while (low != 0) {
      const std::size_t at = block + static_cast<unsigned>(std::countr_zero(low));
      low &= low - 1;
      if (at + 1 < size && ends_line(seen + at)) [[likely]] {
        low &= low - 1;  // the LF; where it is in the next block, none is left here
        const bool empty = at == line;
        line = next = at + 2;
        if (empty) {
          if (begun_) return {.kind = Outcome::Kind::Complete, .length = next};
          if (++leading_lines_ > kMaxLeadingLines) return refused(HeadError::Malformed);
        } else {
          begun_ = true;
        }
        if (line < size && is_blank(seen[line])) return refused(HeadError::Malformed);
      } else if (at >= next && control(seen[at]) && seen[at] != '\t') {
        const bool half_an_end = seen[at] == '\r' && at + 1 == size;
        if (!half_an_end) return refused(HeadError::Malformed);
      }
    }
  }
  if (bytes.size() >= max_bytes) return refused(HeadError::HeadTooLarge);
  const bool half_an_end = size > next && seen[size - 1] == '\r';
  next_ = half_an_end ? size - 1 : size;
  line_ = line;
  return {};
}

}  // namespace outrigger::http
