// Accepts from a bound socket until it would block, then waits for the next connection.
//
// It accepts by itself instead of through uv_listen: the peer's address comes without a further
// syscall, and running out of descriptors is seen and counted. It then rests for a moment and
// leaves the callers in the backlog.
#pragma once

#include <memory>
#include <string>

#include "proxy/net/bound_socket.h"
#include "proxy/net/deferred.h"
#include "proxy/net/stream.h"
#include "proxy/net/timer.h"

namespace outrigger::net {

class Listener;
class Loop;
class PollHandle;

class ListenerEvents {
 public:
  virtual ~ListenerEvents() = default;
  // The listener may be destroyed from here.
  virtual void on_accept(std::unique_ptr<Stream> stream) = 0;
  // Typically UV_EMFILE; the listener goes on after kRest.
  virtual void on_accept_error(int uv_error) = 0;
};

class Listener : private TimerEvents, private Deferred {
 public:
  // Connections taken in one turn before others get theirs.
  static constexpr int kMaxAcceptsPerTurn = 256;
  // Connections taken by accept_all_then_close(): far more than any backlog.
  static constexpr int kMaxAcceptsAtClose = 64 * 1024;
  // After an error.
  static constexpr Duration kRest = std::chrono::milliseconds{100};

  // `events` outlives the listener.
  Listener(Loop& loop, BoundSocket socket, ListenerEvents& events);
  ~Listener() override;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void start();
  // Accepts what waits already (calling on_accept from inside), then closes.
  void accept_all_then_close();
  bool open() const { return socket_ != nullptr; }
  // As to_string(), with the real port; also after the close.
  const std::string& address() const { return address_; }
  std::uint16_t port() const { return port_; }

 private:
  friend class PollHandle;
  void on_timer(Timer&) override;
  void run_deferred() override;
  void on_readable(int status);
  int poll();
  void rest_after(int status);
  bool accept_up_to(int count);
  bool accept_one();
  bool after_refusal(int error);
  void close();

  Loop& loop_;
  ListenerEvents& events_;
  std::unique_ptr<BoundSocket> socket_;
  std::string address_;
  std::uint16_t port_;
  Timer rest_;
  PollHandle* poll_ = nullptr;
  bool* gone_ = nullptr;  // set by the destructor, for a loop over on_accept
};

}  // namespace outrigger::net
