#include "proxy/net/listener.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "proxy/net/handle.h"
#include "proxy/net/loop.h"
#include "proxy/net/transport.h"

namespace outrigger::net {

// Waits for the listening socket. It stops at once, but closes only after the current callback,
// which may be its own.
class PollHandle final : public Handle<uv_poll_t, Listener>, private Deferred {
 public:
  static Result<PollHandle*, int> open(Loop& loop, Listener& owner, int fd) {
    auto poll = std::unique_ptr<PollHandle>{new PollHandle{loop, owner}};
    const int status = uv_poll_init(loop.native(), &poll->native(), fd);
    if (status < 0) return status;
    poll->hold();
    return poll.release();
  }

  int start() {
    return uv_poll_start(&native(), UV_READABLE, [](uv_poll_t* handle, int status, int) {
      Listener* listener = of(handle).owner();
      if (listener != nullptr) listener->on_readable(status);
    });
  }
  void stop() { uv_poll_stop(&native()); }
  void leave() {
    stop();
    forget_owner();
    loop_.defer(*this);
  }

 private:
  PollHandle(Loop& loop, Listener& owner) : Handle(owner), loop_(loop) {}
  void run_deferred() override { close(); }
  void orphan() override {
    if (owner() != nullptr) owner()->poll_ = nullptr;
    forget_owner();
  }

  Loop& loop_;
};

Listener::Listener(Loop& loop, BoundSocket socket, ListenerEvents& events)
    : loop_(loop),
      events_(events),
      socket_(std::make_unique<BoundSocket>(std::move(socket))),
      address_(socket_->address().to_string()),
      port_(socket_->address().port()),
      rest_(loop, *this) {}

Listener::~Listener() {
  if (gone_ != nullptr) *gone_ = true;
  close();
}

void Listener::start() {
  if (open() && poll() < 0) rest_.arm(loop_.now());
}

int Listener::poll() {
  if (poll_ == nullptr) {
    const auto poll = PollHandle::open(loop_, *this, socket_->fd());
    if (!poll) return poll.error();
    poll_ = poll.value();
  }
  return poll_->start();
}

void Listener::on_timer(Timer&) {
  const int status = poll();
  if (status < 0) rest_after(status);
}

void Listener::on_readable(int status) {
  if (status < 0) return rest_after(status);
  loop_.defer_until_read(*this);  // ends free places, and descriptors
}

void Listener::run_deferred() {
  accept_up_to(kMaxAcceptsPerTurn);
}

void Listener::rest_after(int status) {
  if (poll_ != nullptr) poll_->stop();
  rest_.arm(saturating_add(loop_.now(), kRest));
  events_.on_accept_error(status);
}

// on_accept may destroy this, or call accept_all_then_close, in which this runs a second time.
bool Listener::accept_up_to(int count) {
  bool gone = false;
  bool* const outer = std::exchange(gone_, &gone);
  while (count-- > 0 && accept_one() && !gone && open()) continue;
  if (!gone) {
    gone_ = outer;
  } else if (outer != nullptr) {
    *outer = true;
  }
  return !gone;
}

// Whether there may be more. Touches nothing after an event.
bool Listener::accept_one() {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  auto* native = reinterpret_cast<sockaddr*>(&peer);
  const int fd = accept4(socket_->fd(), native, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return after_refusal(errno);
  const auto transport = Transport::open(loop_, fd, *native);
  if (transport) {
    events_.on_accept(std::make_unique<Stream>(*transport.value()));
  } else {
    events_.on_accept_error(transport.error());
  }
  return true;
}

bool Listener::after_refusal(int error) {
  switch (error) {
    case EAGAIN:
      return false;
    // One connection failed before it was accepted; the next may be well.
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENOPROTOOPT:
    case EPERM:
      return true;
    default:
      rest_after(-error);
      return false;
  }
}

void Listener::accept_all_then_close() {
  if (!open()) return;
  socket_->refuse_new();
  if (accept_up_to(kMaxAcceptsAtClose)) close();
}

void Listener::close() {
  cancel_deferred();
  rest_.disarm();
  if (poll_ != nullptr) std::exchange(poll_, nullptr)->leave();
  socket_.reset();
}

}  // namespace outrigger::net
