// Tells who started the process how it stands: systemd's notify protocol (sd_notify(3)), datagrams
// of NAME=VALUE lines to the socket that $NOTIFY_SOCKET names.
//
// Written here because the protocol is one sendto, and libsystemd brings compressors and gcrypt
// into every image. It never waits and never fails: where nobody listens that is logged once and
// the daemon goes on; what a full socket does not take is kept for again().
//
// For the control thread alone.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "proxy/base/time.h"

namespace outrigger {

class ServiceNotify {
 public:
  // systemd passes over a message of more than 4 KiB.
  static constexpr std::size_t kMaxStatus = 1000;
  // That the socket has not taken; the oldest gives way.
  static constexpr std::size_t kMaxKept = 8;

  // `socket`: a path, or a name after an @; empty: nobody asked to be told.
  explicit ServiceNotify(std::string socket);
  ~ServiceNotify();
  ServiceNotify(const ServiceNotify&) = delete;
  ServiceNotify& operator=(const ServiceNotify&) = delete;

  // It serves: after the start, and after a reload whatever came of it. Of `status`, here and
  // below, the first line is told.
  void ready(std::string_view status);
  void reloading(TimePoint now);
  // There is no way back, and it may take so long.
  void stopping(Duration at_most, std::string_view status);
  void status(std::string_view status);
  // Tells what could not be told yet. To be called now and then.
  void again();

 private:
  void tell(std::string message);
  bool send(const std::string& message);
  void give_up(const std::string& why);

  std::string socket_;
  int fd_ = -1;
  std::deque<std::string> kept_;
  bool has_warned_ = false;
};

}  // namespace outrigger
