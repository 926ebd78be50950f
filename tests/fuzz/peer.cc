#include "tests/fuzz/peer.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "proxy/base/check.h"

namespace outrigger::fuzz {
namespace {

sockaddr_un native(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  INVARIANT(path.size() < sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  return address;
}

int make_socket() {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  INVARIANT(fd >= 0);
  return fd;
}

}  // namespace

std::optional<int> Peer::connect(const std::string& path) {
  const int fd = make_socket();
  const sockaddr_un address = native(path);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return std::nullopt;
}

bool Peer::say(std::string_view bytes) {
  if (half_closing_ || fd_ < 0) return false;
  pending_.append(bytes);
  send_pending();
  return true;
}

bool Peer::send_pending() {
  if (fd_ < 0 || pending_.empty()) return false;
  const ssize_t sent = send(fd_, pending_.data(), pending_.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno == EAGAIN) return false;
  pending_.erase(0, sent < 0 ? std::string::npos : static_cast<std::size_t>(sent));
  if (pending_.empty() && half_closing_) shutdown(fd_, SHUT_WR);
  return true;
}

void Peer::half_close() {
  if (std::exchange(half_closing_, true) || fd_ < 0) return;
  if (pending_.empty()) shutdown(fd_, SHUT_WR);
}

void Peer::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

bool Peer::pump(std::string& got) {
  if (fd_ < 0) return false;
  bool moved = send_pending();
  static char buffer[64 * 1024];
  while (reading_ && !ended_) {
    const ssize_t count = recv(fd_, buffer, sizeof buffer, 0);
    if (count < 0 && errno == EAGAIN) break;
    moved = true;
    ended_ = count <= 0;
    if (count > 0) got.append(buffer, static_cast<std::size_t>(count));
  }
  return moved;
}

void Door::open() {
  if (fd_ >= 0) return;
  unlink(path_.c_str());
  fd_ = make_socket();
  const sockaddr_un address = native(path_);
  INVARIANT(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  INVARIANT(listen(fd_, 16) == 0);
}

void Door::close() {
  if (fd_ < 0) return;
  ::close(std::exchange(fd_, -1));
  unlink(path_.c_str());
}

void Door::toggle() {
  fd_ < 0 ? open() : close();
}

std::optional<int> Door::accept() {
  pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
  if (fd_ < 0 || poll(&waiting, 1, 0) < 1) return std::nullopt;  // far cheaper than to accept
  const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return fd < 0 ? std::nullopt : std::optional(fd);
}

}  // namespace outrigger::fuzz
