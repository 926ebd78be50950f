// One connection to an endpoint, as an attempt and the pool see it. The seam for codecs and
// streams: HTTP/1.1 over TCP today (http1_connection), a fake network in the simulation.
#pragma once

#include <memory>
#include <string_view>

#include "proxy/base/time.h"
#include "proxy/http/message.h"
#include "proxy/http/parser.h"
#include "proxy/http/writer.h"
#include "proxy/upstream/cluster_state.h"

namespace outrigger::upstream {

enum class ConnectFailure : std::uint8_t {
  Refused,         // or unreachable
  TimedOut,        //
  OutOfResources,  // on this side: nothing has gone out
};

// The attempt that uses the connection. After on_connect_failed, on_response_end or
// on_connection_lost nothing more comes; the user may give the connection away in any of them.
class ConnectionUser {
 public:
  virtual ~ConnectionUser() = default;
  virtual void on_connected() = 0;
  virtual void on_connect_failed(ConnectFailure why) = 0;
  virtual void on_response_head(const http::ResponseHead& head) = 0;  // informational ones too
  virtual void on_response_body(std::string_view bytes) = 0;
  virtual void on_response_end(const http::Headers* trailers) = 0;
  virtual void on_read_done() = 0;
  virtual void on_connection_lost(bool bad_response) = 0;
  virtual void on_connection_writable() = 0;
};

class Connection;

// The pool, for connections without a user.
class ConnectionKeeper {
 public:
  virtual ~ConnectionKeeper() = default;
  virtual void on_idle_over(Connection& connection) = 0;  // its time is over, or the peer spoke
  virtual void on_drained(Connection& connection) = 0;    // see drain(); reusable() tells the rest
};

class Connection {
 public:
  virtual ~Connection() = default;
  virtual void retire() = 0;  // closes; the object is destroyed soon, by its loop

  // With a user.
  virtual void attach(ConnectionUser& user) = 0;
  virtual bool connected() const = 0;
  // Kept until flush() or send_end(), which write head and body at once. `at_once`: it need
  // not wait for what the turn still finds, as it is sent again where the connection is stale.
  virtual void send_head(const http::RequestHead& head, const http::RequestAdditions& add,
                         bool at_once) = 0;
  virtual void send_body(std::string_view bytes) = 0;
  virtual void send_end(const http::Headers* trailers) = 0;
  virtual bool flush() = 0;  // false: congested
  virtual void pause() = 0;
  virtual void resume() = 0;

  // Of the exchange under way.
  virtual bool any_sent() const = 0;      // the kernel has taken a byte of the request
  virtual bool any_received() const = 0;  // a byte of the response has arrived
  // The exchange is over on both sides, and the peer will answer another one.
  virtual bool reusable() const = 0;

  // Without a user.
  virtual void park(ConnectionKeeper& keeper, TimePoint until) = 0;
  // Reads the rest of the response and drops it, within bounds of size and time.
  virtual void drain(ConnectionKeeper& keeper) = 0;
  // Lets what is queued go out, then closes; the end of a tunnel.
  virtual void close_gracefully() = 0;

  // For the pool's book.
  const EndpointPtr& endpoint() const { return endpoint_; }
  std::uint32_t slot() const { return slot_; }
  bool used_before() const { return exchanges > 1; }

  ClusterState* counted_by = nullptr;  // against its limits, as long as it is there; null: nobody
  std::uint32_t exchanges = 0;         // begun on it
  TimePoint expires = kNever;          // not reused from then on
  TimePoint parked_at{};
  http::ResponseLimits limits;  // of the exchange under way
  Duration idle_hint{};         // the peer's Keep-Alive: timeout, 0 = not said

  struct Bytes {
    std::uint64_t in = 0;
    std::uint64_t out = 0;
  };
  virtual Bytes bytes() const = 0;  // since it was opened
  Bytes counted;                    // of these, already in the upstream's totals

 protected:
  Connection(EndpointPtr endpoint, std::uint32_t slot)
      : endpoint_(std::move(endpoint)), slot_(slot) {}

 private:
  EndpointPtr endpoint_;
  std::uint32_t slot_;
};

struct ConnectionRetire {
  void operator()(Connection* connection) const {
    const EndpointPtr endpoint = connection->endpoint();
    ClusterState* const counted_by = connection->counted_by;
    connection->retire();
    // Only now: whoever waits for it may open another at once.
    if (counted_by) counted_by->connection_closed(*endpoint);
  }
};
using ConnectionPtr = std::unique_ptr<Connection, ConnectionRetire>;

class ConnectionFactory {
 public:
  virtual ~ConnectionFactory() = default;
  // Starts to connect; tells the attached user. Never calls back from inside.
  virtual ConnectionPtr connect(EndpointPtr endpoint, std::uint32_t slot, Duration timeout) = 0;
};

}  // namespace outrigger::upstream
