#include "proxy/access_log/output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

namespace outrigger::access_log {
namespace {

// Opening /dev/stdout again would begin a file anew, fail on a socket, and be refused where another
// user made the pipe.
int standard_stream(const std::string& path) {
  if (path == "/dev/stdout" || path == "/dev/fd/1" || path == "/proc/self/fd/1") return 1;
  if (path == "/dev/stderr" || path == "/dev/fd/2" || path == "/proc/self/fd/2") return 2;
  return -1;
}

bool is_regular(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

// A pipe opened for writing alone wants a reader, now and later.
int mode_for(const std::string& path) {
  struct stat status {};
  const bool fifo = stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
  return fifo ? O_RDWR : O_WRONLY | O_CREAT;
}

bool takes_more(int fd) {
  pollfd asked{.fd = fd, .events = POLLOUT, .revents = 0};
  return poll(&asked, 1, 0) > 0;
}

}  // namespace

Result<Output, std::string> Output::open(const std::string& path) {
  const int standard = standard_stream(path);
  const int fd = standard >= 0
                     ? fcntl(standard, F_DUPFD_CLOEXEC, 3)
                     : ::open(path.c_str(),
                              mode_for(path) | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
  if (fd < 0) {
    return Result<Output, std::string>("access_log.path " + path +
                                       ": cannot be opened: " + std::strerror(errno));
  }
  return Output(fd, standard >= 0 && !is_regular(fd));
}

Output::~Output() {
  if (fd_ >= 0) close(fd_);
}

// A write that might wait is made of pieces that a pipe said to take something takes whole.
Output::Progress Output::write_all(std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    std::size_t piece = bytes.size() - done;
    if (inherited_) {
      piece = std::min<std::size_t>(piece, PIPE_BUF);
      if (!takes_more(fd_)) return {Outcome::Full, done};
    }
    const ssize_t written = ::write(fd_, bytes.data() + done, piece);
    if (written > 0) {
      done += static_cast<std::size_t>(written);
    } else if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return {Outcome::Full, done};
    } else if (written == 0 || errno != EINTR) {
      return {Outcome::Failed, done, errno};
    }
  }
  return {Outcome::Written, done};
}

Output::Progress Output::write(std::string_view lines) {
  if (!rest_.empty()) {
    Progress rest = write_all(rest_);
    rest_.erase(0, rest.bytes);
    rest.bytes = 0;
    if (rest.outcome != Outcome::Written) return rest;
  }
  Progress progress = write_all(lines);
  const std::size_t done = progress.bytes;
  if (done == 0 || done == lines.size() || lines[done - 1] == '\n') return progress;
  const std::size_t end = lines.find('\n', done) + 1;
  rest_ = lines.substr(done, end - done);
  progress.bytes = end;
  return progress;
}

}  // namespace outrigger::access_log
