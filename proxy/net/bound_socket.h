// A listening socket before anybody accepts from it, so that a start or a reload can take all its
// addresses first and give up without harm.
//
// It listens from the start: two sockets that are only bound may share an address on Linux (both
// have SO_REUSEADDR, for the TIME_WAITs of the daemon before), and the second daemon would fail too
// late. SO_REUSEPORT is set only after the first bind: a second daemon is refused, while siblings
// of this one can join.
#pragma once

#include <sys/types.h>

#include <string>

#include "proxy/base/result.h"
#include "proxy/net/address.h"

namespace outrigger::net {

class BoundSocket {
 public:
  static constexpr int kBacklog = 1024;

  // The error is a sentence for people. A name other than localhost is refused. A Unix socket's
  // stale file is removed when nobody answers on it.
  static Result<BoundSocket, std::string> bind(const Address& address, int backlog = kBacklog);
  // Another socket of the same address, for another worker.
  Result<BoundSocket, std::string> sibling() const;

  BoundSocket(BoundSocket&& other) noexcept;
  BoundSocket& operator=(BoundSocket&& other) noexcept;
  // Closes; the socket of bind() also removes a Unix socket's file, if it is still its own.
  ~BoundSocket();

  // From now on nobody connects any more: what waits can be accepted and the socket closed, and
  // no connection is made between the two, which the kernel would reset with its request.
  // A SYN stays unanswered; its sender asks again after a second, and is refused.
  void refuse_new();

  // With the port that the kernel chose where 0 was asked for.
  const Address& address() const { return address_; }
  int fd() const { return fd_; }

 private:
  BoundSocket(int fd, Address address, int backlog)
      : fd_(fd), address_(std::move(address)), backlog_(backlog) {}
  static Result<BoundSocket, std::string> bind_ip(const Address&, int backlog, bool sibling);
  static Result<BoundSocket, std::string> bind_unix(const Address&, int backlog);
  void remove_file();
  void close();

  int fd_;
  Address address_;
  int backlog_;
  dev_t device_ = 0;  // of the Unix socket's file; inode 0 when there is none to remove
  ino_t inode_ = 0;
};

}  // namespace outrigger::net
