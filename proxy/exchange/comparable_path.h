// A path as routes compare it: percent-encoded unreserved characters decoded, nothing else
// (RFC 3986, 6.2.2.2). What is forwarded stays as sent.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace outrigger::exchange {

class ComparablePath {
 public:
  explicit ComparablePath(std::string_view as_sent);
  ComparablePath(const ComparablePath&) = delete;
  ComparablePath& operator=(const ComparablePath&) = delete;

  // A view of `as_sent` where there is nothing to decode, else into this object.
  std::string_view view() const { return view_; }

 private:
  std::array<char, 1024> short_;
  std::string long_;  // where `short_` is too short
  std::string_view view_;
};

}  // namespace outrigger::exchange
