#include "proxy/net/bound_socket.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <utility>

#include "proxy/net/stream.h"

namespace outrigger::net {
namespace {

void enable(int fd, int level, int option, int value = 1) {
  setsockopt(fd, level, option, &value, sizeof value);
}

int open_socket(int family) {
  return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

std::string why(int error, const Address& address) {
  switch (error) {
    case EADDRINUSE:
      return "another process (or a second outrigger) listens there already";
    case EADDRNOTAVAIL:
      return "no interface of this host has this address";
    case EACCES:
      return address.kind() == Address::Kind::Unix
                 ? "permission denied for the socket's directory"
                 : "permission denied (ports below 1024 need CAP_NET_BIND_SERVICE)";
    case ENOENT:
      return "the socket's directory does not exist";
    default:
      return std::strerror(error);
  }
}

std::string refusal(const Address& address, const std::string& reason) {
  return "cannot listen on " + address.to_string() + ": " + reason;
}

enum class SocketFile { Missing, Stale, Answers, NotASocket };

SocketFile look_at(const Address& address) {
  struct stat file {};
  if (lstat(address.host().c_str(), &file) != 0) return SocketFile::Missing;
  if (!S_ISSOCK(file.st_mode)) return SocketFile::NotASocket;
  sockaddr_storage native;
  const socklen_t size = address.to_native(native);
  const int probe = open_socket(AF_UNIX);
  const int status = connect(probe, reinterpret_cast<const sockaddr*>(&native), size);
  const bool refused = status != 0 && errno == ECONNREFUSED;
  ::close(probe);
  return refused ? SocketFile::Stale : SocketFile::Answers;
}

}  // namespace

Result<BoundSocket, std::string> BoundSocket::bind(const Address& address, int backlog) {
  switch (address.kind()) {
    case Address::Kind::Ip:
      return bind_ip(address, backlog, false);
    case Address::Kind::Unix:
      return bind_unix(address, backlog);
    case Address::Kind::Host:
      break;
  }
  if (address.host() != "localhost") {
    return refusal(address, "it is a name; give one of this host's IP addresses");
  }
  const auto port = std::to_string(address.port());
  return bind_ip(Address::parse("127.0.0.1:" + port).value(), backlog, false);
}

Result<BoundSocket, std::string> BoundSocket::bind_ip(const Address& address, int backlog,
                                                      bool sibling) {
  sockaddr_storage native;
  socklen_t size = address.to_native(native);
  auto* generic = reinterpret_cast<sockaddr*>(&native);
  BoundSocket bound{open_socket(native.ss_family), address, backlog};
  if (bound.fd_ < 0) return refusal(address, std::strerror(errno));
  enable(bound.fd_, SOL_SOCKET, SO_REUSEADDR);
  if (native.ss_family == AF_INET6) enable(bound.fd_, IPPROTO_IPV6, IPV6_V6ONLY);
  enable(bound.fd_, IPPROTO_TCP, TCP_NODELAY);  // accepted sockets inherit it
  enable(bound.fd_, IPPROTO_TCP, TCP_NOTSENT_LOWAT, Stream::kMaxUnsent);  // and this
  if (sibling) enable(bound.fd_, SOL_SOCKET, SO_REUSEPORT);
  if (::bind(bound.fd_, generic, size) != 0) return refusal(address, why(errno, address));
  if (!sibling) enable(bound.fd_, SOL_SOCKET, SO_REUSEPORT);
  if (listen(bound.fd_, backlog) != 0) return refusal(address, why(errno, address));
  size = sizeof native;
  if (getsockname(bound.fd_, generic, &size) == 0) bound.address_ = Address::from_native(*generic);
  return bound;
}

Result<BoundSocket, std::string> BoundSocket::bind_unix(const Address& address, int backlog) {
  const char* path = address.host().c_str();
  switch (look_at(address)) {
    case SocketFile::Missing:
      break;
    case SocketFile::Stale:
      unlink(path);
      break;
    case SocketFile::Answers:
      return refusal(address, why(EADDRINUSE, address));
    case SocketFile::NotASocket:
      return refusal(address, "the file exists and is not a socket");
  }
  BoundSocket bound{open_socket(AF_UNIX), address, backlog};
  if (bound.fd_ < 0) return refusal(address, std::strerror(errno));
  sockaddr_storage native;
  const socklen_t size = address.to_native(native);
  if (::bind(bound.fd_, reinterpret_cast<const sockaddr*>(&native), size) != 0)
    return refusal(address, why(errno, address));
  struct stat file {};
  if (lstat(path, &file) == 0) {
    bound.device_ = file.st_dev;
    bound.inode_ = file.st_ino;
  }
  if (listen(bound.fd_, backlog) != 0) return refusal(address, why(errno, address));
  return bound;
}

Result<BoundSocket, std::string> BoundSocket::sibling() const {
  if (address_.kind() == Address::Kind::Ip) return bind_ip(address_, backlog_, true);
  const int fd = fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return refusal(address_, std::strerror(errno));
  return BoundSocket{fd, address_, backlog_};
}

BoundSocket::BoundSocket(BoundSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      address_(std::move(other.address_)),
      backlog_(other.backlog_),
      device_(other.device_),
      inode_(std::exchange(other.inode_, 0)) {}

BoundSocket& BoundSocket::operator=(BoundSocket&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::exchange(other.fd_, -1);
  address_ = std::move(other.address_);
  backlog_ = other.backlog_;
  device_ = other.device_;
  inode_ = std::exchange(other.inode_, 0);
  return *this;
}

BoundSocket::~BoundSocket() {
  close();
}

// Connections inherit the filter, but no segment of theirs is a SYN without ACK.
void BoundSocket::refuse_new() {
  remove_file();
  constexpr std::uint32_t kFlagsOffset = 13, kSyn = 0x02, kAck = 0x10;
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kFlagsOffset),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kSyn | kAck),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kSyn, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),            // a SYN: dropped
      BPF_STMT(BPF_RET | BPF_K, 0xffffffffU),  // anything else
  };
  const sock_fprog filter{.len = std::size(program), .filter = program};
  // A Unix socket has no such segments; where a kernel refuses, the sweep is as good as it can be.
  if (address_.kind() == Address::Kind::Unix) return;
  setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

void BoundSocket::remove_file() {
  struct stat file {};
  const ino_t inode = std::exchange(inode_, 0);
  if (inode != 0 && lstat(address_.host().c_str(), &file) == 0 && file.st_ino == inode &&
      file.st_dev == device_) {
    unlink(address_.host().c_str());
  }
}

void BoundSocket::close() {
  if (fd_ < 0) return;
  remove_file();
  ::close(std::exchange(fd_, -1));
}

}  // namespace outrigger::net
