// What the benchmark's three programs share: non-blocking sockets of the loopback, and epoll.
//
// They use epoll itself and nothing of the proxy, so that what measures cannot hide what is
// measured. Each has one thread and is level-triggered: one epoll_wait a turn, then one read and
// one write a message.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <utility>

namespace bench {

inline constexpr int kBacklog = 4096;
inline constexpr uint32_t kHere = INADDR_LOOPBACK;

[[noreturn]] inline void fail(const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

inline void want_descriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// sockaddr_in as the calls want it.
class Address {
 public:
  Address(uint32_t host, uint16_t port) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(host);
    address_.sin_port = htons(port);
  }
  sockaddr* get() { return static_cast<sockaddr*>(static_cast<void*>(&address_)); }
  uint16_t port() const { return ntohs(address_.sin_port); }
  static constexpr socklen_t kSize = sizeof(sockaddr_in);

 private:
  sockaddr_in address_{};
};

inline void set(int fd, int level, int option) {
  const int one = 1;
  setsockopt(fd, level, option, &one, sizeof one);
}

inline int new_socket() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  set(fd, IPPROTO_TCP, TCP_NODELAY);
  return fd;
}

inline int listen_on(uint16_t port) {  // 0: one that is free
  const int fd = new_socket();
  set(fd, SOL_SOCKET, SO_REUSEADDR);
  Address address{kHere, port};
  if (bind(fd, address.get(), Address::kSize) != 0 || listen(fd, kBacklog) != 0) fail("listen");
  return fd;
}

inline uint16_t port_of(int fd) {
  Address address{kHere, 0};
  socklen_t size = Address::kSize;
  if (getsockname(fd, address.get(), &size) != 0) fail("getsockname");
  return address.port();
}

// The next caller, or -1 where there is none.
inline int accept_from(int listener) {
  const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) set(fd, IPPROTO_TCP, TCP_NODELAY);
  if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED) fail("accept");
  return fd;
}

// On its way or already there: the first write tells. -1 where it is refused at once.
inline int connect_to(uint16_t port, uint32_t source = 0) {
  const int fd = new_socket();
  if (source != 0) {
    set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    Address from{source, 0};
    if (bind(fd, from.get(), Address::kSize) != 0) fail("bind");
  }
  Address address{kHere, port};
  if (connect(fd, address.get(), Address::kSize) == 0 || errno == EINPROGRESS) return fd;
  close(fd);
  return -1;
}

class Poller {
 public:
  Poller() : fd_(epoll_create1(EPOLL_CLOEXEC)) {
    if (fd_ < 0) fail("epoll_create1");
  }
  void add(int fd, uint32_t events, void* owner) { control(EPOLL_CTL_ADD, fd, events, owner); }
  void change(int fd, uint32_t events, void* owner) { control(EPOLL_CTL_MOD, fd, events, owner); }

  std::span<epoll_event> wait(int64_t nanoseconds = -1) {
    const timespec time{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
    const int size = static_cast<int>(events_.size());
    const int count =
        epoll_pwait2(fd_, events_.data(), size, nanoseconds < 0 ? nullptr : &time, nullptr);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    return {events_.data(), count < 0 ? 0U : static_cast<size_t>(count)};
  }

 private:
  void control(int what, int fd, uint32_t events, void* owner) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = owner;
    if (epoll_ctl(fd_, what, fd, &event) != 0) fail("epoll_ctl");
  }

  int fd_;
  std::array<epoll_event, 512> events_{};
};

}  // namespace bench
