#include "proxy/net/connector.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <utility>

#include "proxy/net/loop.h"
#include "proxy/net/transport.h"

namespace outrigger::net {
namespace {

Result<Transport*, int> open_socket(Loop& loop, const sockaddr& peer) {
  const int fd = socket(peer.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  if (peer.sa_family != AF_UNIX) {
    using std::chrono::milliseconds;
    const int on = 1;
    const auto timeout = std::chrono::duration_cast<milliseconds>(Connector::kUserTimeout).count();
    const auto unacknowledged = static_cast<unsigned>(timeout);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &Stream::kMaxUnsent, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged, sizeof unacknowledged);
  } else if (connect(fd, &peer, sizeof(sockaddr_un)) != 0) {  // through at once, or refused
    const int error = -errno;
    ::close(fd);
    return error;
  }
  return Transport::open(loop, fd, peer);
}

}  // namespace

bool is_out_of_resources(int uv_error) {
  switch (uv_error) {
    case UV_EMFILE:
    case UV_ENFILE:
    case UV_ENOBUFS:
    case UV_ENOMEM:
      return true;
    default:
      return false;
  }
}

// Lives until libuv calls back, which it does also after a close.
struct Connector::Request {
  uv_connect_t native;
  Connector* owner;
};

Connector::Connector(Loop& loop, const Address& address, ConnectorEvents& events)
    : events_(events) {
  status_ = connect_to(loop, address);
  if (request_ == nullptr) loop.defer(*this);
}

Connector::~Connector() {
  if (request_ != nullptr) request_->owner = nullptr;
  if (transport_ != nullptr) transport_->close_now();
}

int Connector::connect_to(Loop& loop, const Address& address) {
  if (address.kind() == Address::Kind::Host) return UV_EINVAL;
  sockaddr_storage native;
  address.to_native(native);
  const auto& peer = reinterpret_cast<const sockaddr&>(native);
  const auto transport = open_socket(loop, peer);
  if (!transport) return transport.error();
  transport.value()->set_owner(&transport_);
  return address.kind() == Address::Kind::Unix ? 0 : start(peer);
}

int Connector::start(const sockaddr& peer) {
  auto request = std::make_unique<Request>(Request{{}, this});
  request->native.data = request.get();
  const int status = uv_tcp_connect(
      &request->native, &transport_->tcp(), &peer, [](uv_connect_t* native, int result) {
        const std::unique_ptr<Request> ended{static_cast<Request*>(native->data)};
        if (ended->owner == nullptr) return;
        ended->owner->request_ = nullptr;
        ended->owner->finish(result);
      });
  if (status == 0) request_ = request.release();
  return status;
}

void Connector::run_deferred() {
  finish(status_);
}

void Connector::finish(int status) {
  if (status == UV_ECANCELED) return;  // the loop has ended
  Transport* transport = std::exchange(transport_, nullptr);
  if (status == 0) return events_.on_connected(std::make_unique<Stream>(*transport));
  if (transport != nullptr) transport->close_now();
  events_.on_connect_failed(status);
}

}  // namespace outrigger::net
