// Where lines are written to: a file, a pipe, what the process was started with as stdout.
//
// Never waits for a reader, and never mixes lines: what a write has left of one goes out before
// anything else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/base/result.h"

namespace outrigger::access_log {

class Output {
 public:
  // Opens `path` for appending, or says why it cannot be.
  static Result<Output, std::string> open(const std::string& path);

  Output(Output&& from) noexcept
      : fd_(std::exchange(from.fd_, -1)),
        inherited_(from.inherited_),
        rest_(std::move(from.rest_)) {}
  Output& operator=(Output&& from) noexcept {
    std::swap(fd_, from.fd_);
    std::swap(inherited_, from.inherited_);
    std::swap(rest_, from.rest_);
    return *this;
  }
  ~Output();

  enum class Outcome : std::uint8_t { Written, Full, Failed };
  struct Progress {
    Outcome outcome;
    std::size_t bytes;  // from the beginning of `lines`, on whole lines: written or kept here
    int error = 0;      // where it failed
  };
  // Full: it would wait; look at fd() for when to go on.
  Progress write(std::string_view lines);
  // The same of what the last write has left of a line.
  Progress write_rest() { return write({}); }
  bool has_rest() const { return !rest_.empty(); }

  int fd() const { return fd_; }

 private:
  Output(int fd, bool inherited) : fd_(fd), inherited_(inherited) {}
  Progress write_all(std::string_view bytes);

  int fd_;
  bool inherited_;    // others have it too, so that it is not ours to make it non-blocking
  std::string rest_;  // of a line
};

}  // namespace outrigger::access_log
