#include "proxy/exchange/comparable_path.h"

namespace outrigger::exchange {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// The unreserved character that `text` begins with in its encoded form, or -1.
int encoded_unreserved(std::string_view text) {
  if (text.size() < 3 || text[0] != '%') return -1;
  const int high = hex_value(text[1]);
  const int low = hex_value(text[2]);
  if (high < 0 || low < 0) return -1;
  const int c = high * 16 + low;
  return is_unreserved(c) ? c : -1;
}

}  // namespace

ComparablePath::ComparablePath(std::string_view as_sent) : view_(as_sent) {
  if (as_sent.find('%') == std::string_view::npos) return;
  char* out = short_.data();
  if (as_sent.size() > short_.size()) {
    long_.resize(as_sent.size());
    out = long_.data();
  }
  std::size_t length = 0;
  for (std::size_t i = 0; i < as_sent.size(); ++length) {
    const int decoded = encoded_unreserved(as_sent.substr(i));
    out[length] = decoded < 0 ? as_sent[i] : static_cast<char>(decoded);
    i += decoded < 0 ? 1 : 3;
  }
  view_ = {out, length};
}

}  // namespace outrigger::exchange
