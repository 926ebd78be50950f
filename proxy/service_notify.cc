#include "proxy/service_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <utility>

#include "proxy/base/log.h"

namespace outrigger {
namespace {

std::int64_t microseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

// One line, whole characters.
std::string status_line(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  if (text.size() > ServiceNotify::kMaxStatus) {
    std::size_t end = ServiceNotify::kMaxStatus;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text = text.substr(0, end);
  }
  return "STATUS=" + std::string(text);
}

}  // namespace

ServiceNotify::ServiceNotify(std::string socket) : socket_(std::move(socket)) {
  if (socket_.empty()) return;
  if (socket_.front() != '/' && socket_.front() != '@') {
    give_up("it is neither a path nor a name after an @");
  } else if (socket_.size() >= sizeof sockaddr_un{}.sun_path) {
    give_up("it is too long");
  } else {
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) give_up(std::strerror(errno));
  }
}

ServiceNotify::~ServiceNotify() {
  if (fd_ >= 0) close(fd_);
}

void ServiceNotify::ready(std::string_view status) {
  tell("READY=1\n" + status_line(status));
}

void ServiceNotify::reloading(TimePoint now) {
  tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds(now.time_since_epoch())) +
       "\n" + status_line("Reloading"));
}

void ServiceNotify::stopping(Duration at_most, std::string_view status) {
  tell("STOPPING=1\nEXTEND_TIMEOUT_USEC=" + std::to_string(microseconds(at_most)) + "\n" +
       status_line(status));
}

void ServiceNotify::status(std::string_view status) {
  tell(status_line(status));
}

void ServiceNotify::again() {
  while (!kept_.empty() && send(kept_.front())) kept_.pop_front();
}

// In order: READY=1 after RELOADING=1 ends the reload, before it would not.
void ServiceNotify::tell(std::string message) {
  if (fd_ < 0) return;
  if (kept_.size() == kMaxKept) kept_.pop_front();
  kept_.push_back(std::move(message));
  again();
}

// False: the socket takes no more for now.
bool ServiceNotify::send(const std::string& message) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_.front() == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  if (sendto(fd_, message.data(), message.size(), MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&address), size) >= 0) {
    return true;
  }
  if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) return false;
  give_up(std::strerror(errno));
  return true;
}

void ServiceNotify::give_up(const std::string& why) {
  if (std::exchange(has_warned_, true)) return;
  log::warn("NOTIFY_SOCKET {}: {}; who started this process is not told how it stands", socket_,
            why);
}

}  // namespace outrigger
