#include "proxy/exchange/trace_id.h"

#include <cstdint>
#include <cstring>

namespace outrigger::exchange {
namespace {

// version-trace-parent-flags; a later version may go on after a dash.
constexpr std::size_t kTrace = 3;
constexpr std::size_t kParent = 36;
constexpr std::size_t kFlags = 53;
constexpr std::size_t kLength = 55;

// Eight characters at once, as a request has some forty of them.
using Word = std::uint64_t;
constexpr Word kOnes = 0x0101010101010101;
constexpr Word kHighs = 0x8080808080808080;
constexpr Word kZeros = kOnes * '0';

Word word_at(const char* eight) {
  Word word;
  std::memcpy(&word, eight, sizeof(word));
  return word;
}

// The high bit of each byte that is a small hexadecimal digit.
constexpr Word hex_digits(Word word) {
  const Word low = word & ~kHighs;
  const auto from = [low](char c) { return (low | kHighs) - kOnes * static_cast<Word>(c); };
  const auto beyond = [low](char c) { return low + kOnes * static_cast<Word>(0x7f - c); };
  const Word digits = from('0') & ~beyond('9');
  const Word letters = from('a') & ~beyond('f');
  return (digits | letters) & ~word & kHighs;
}

}  // namespace

std::string_view trace_id(std::string_view traceparent) {
  if (traceparent.size() < kLength) return {};
  const char* const text = traceparent.data();
  const bool dashes =
      text[kTrace - 1] == '-' && text[kParent - 1] == '-' && text[kFlags - 1] == '-';
  const bool whole =
      traceparent.size() == kLength || (text[kLength] == '-' && (text[0] != '0' || text[1] != '0'));
  if (!dashes || !whole || (text[0] == 'f' && text[1] == 'f')) return {};
  Word digits = hex_digits(kZeros);
  Word trace = 0, parent = 0;  // bits in which they differ from all zeros
  for (std::size_t at = kTrace; at < kParent - 1; at += sizeof(Word)) {
    digits &= hex_digits(word_at(text + at));
    trace |= word_at(text + at) ^ kZeros;
  }
  for (std::size_t at = kParent; at < kFlags - 1; at += sizeof(Word)) {
    digits &= hex_digits(word_at(text + at));
    parent |= word_at(text + at) ^ kZeros;
  }
  const char rest[] = {text[0], text[1], text[kFlags], text[kFlags + 1], '0', '0', '0', '0'};
  digits &= hex_digits(word_at(rest));
  if (digits != kHighs || trace == 0 || parent == 0) return {};
  return {text + kTrace, kParent - 1 - kTrace};
}

}  // namespace outrigger::exchange
