// One connect in progress. The time limit is the owner's; destroying it is giving up.
#pragma once

#include <memory>

#include "proxy/net/address.h"
#include "proxy/net/deferred.h"
#include "proxy/net/stream.h"

namespace outrigger::net {

class Loop;

// One of the two, once, never from inside the constructor. The connector may be destroyed there.
class ConnectorEvents {
 public:
  virtual ~ConnectorEvents() = default;
  virtual void on_connected(std::unique_ptr<Stream> stream) = 0;
  // A negative errno, as libuv has them.
  virtual void on_connect_failed(int uv_error) = 0;
};

// That no connection could be begun is this machine's doing: no descriptor or memory is left. Not
// EADDRNOTAVAIL, which is one address's: its ports are used up, or it is of a family that this
// machine has not.
bool is_out_of_resources(int uv_error);

class Connector : private Deferred {
 public:
  // How long the kernel goes on sending what no one acknowledges.
  static constexpr Duration kUserTimeout = std::chrono::seconds{20};

  // Starts. `events` outlives the connector; an `address` with a name fails with EINVAL.
  Connector(Loop& loop, const Address& address, ConnectorEvents& events);
  ~Connector() override;
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

 private:
  struct Request;

  void run_deferred() override;
  int connect_to(Loop& loop, const Address& address);
  int start(const sockaddr& peer);
  void finish(int status);

  ConnectorEvents& events_;
  Transport* transport_ = nullptr;
  Request* request_ = nullptr;
  int status_ = 0;  // of a connect that was through in the constructor
};

}  // namespace outrigger::net
