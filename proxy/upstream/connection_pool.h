// The connections of one worker to one upstream that no attempt holds: idle ones, last in first
// out per endpoint, and those that still read a response nobody wants.
//
// LIFO keeps few connections warm and lets the others expire, which is what avoids the race with
// a server that closes idle ones. Bookkeeping only: it knows no socket, so that the simulation
// runs it as it is. How many connections there may be is ClusterState's to say.
#pragma once

#include <optional>
#include <vector>

#include "config/model.h"
#include "proxy/base/random.h"
#include "proxy/base/time.h"
#include "proxy/exchange/ports.h"
#include "proxy/upstream/connection.h"

namespace outrigger::upstream {

class ConnectionPool final : private ConnectionKeeper {
 public:
  // What an idle connection is kept for where neither side has said anything: less than the 5 s
  // after which Node closes, the shortest common default.
  static constexpr Duration kDefaultIdle = std::chrono::seconds(4);

  ConnectionPool(ClusterState& state, ConnectionFactory& factory, exchange::Scheduler& scheduler,
                 Random& random);
  ~ConnectionPool() override;

  // `settings` outlives the pool or the next configure().
  void configure(const config::Upstream& settings) { settings_ = &settings; }

  // A connection for the admitted try: an idle one of its endpoint, or a new one, connecting.
  // `fresh`: only a new one. `careful`: the request cannot be sent twice, so none that has been
  // idle for more than half its time.
  struct Obtained {
    ConnectionPtr connection;  // null: there is none
    bool crowded = false;      // as there are as many as may be: await_connection()
  };                           // or the endpoint is gone
  Obtained obtain(const Ticket& ticket, bool fresh, bool careful);
  // A new one, which has been counted already. Null where the endpoint is gone.
  ConnectionPtr connect_counted(const Ticket& ticket);
  // After an exchange: kept, or closed where it is not to be used again.
  void give_back(ConnectionPtr connection);
  // Keeps it out of the way until its response has been read; its place in the limits comes back
  // then.
  void drain(ConnectionPtr connection);
  void count_bytes(Connection& connection);
  void connect_ended() { state_.connecting.fetch_sub(1, std::memory_order_relaxed); }
  void close_idle();
  // As long as anybody waits for room and something is idle.
  void close_idle_for_others();
  // Closes the idle ones of endpoints that have left or become unhealthy. Cheap while nothing has.
  void follow_endpoints() {
    if (version_ != state_.version()) drop_unwanted();
  }

 private:
  using Idle = std::vector<ConnectionPtr>;

  void on_idle_over(Connection& connection) override;
  void on_drained(Connection& connection) override;
  ConnectionPtr connect(EndpointPtr endpoint, std::uint32_t slot);
  ConnectionPtr with_limits(ConnectionPtr connection) const;
  ConnectionPtr take_idle(const Ticket& ticket, bool careful, TimePoint now);
  ConnectionPtr take_out(Connection& connection);
  Duration idle_time(const Connection& connection) const;
  bool keepable(const Connection& connection, TimePoint now) const;
  bool make_room(std::uint32_t slot);
  bool close_oldest_idle(std::optional<std::uint32_t> slot);
  void drop_unwanted();

  ClusterState& state_;
  ConnectionFactory& factory_;
  exchange::Scheduler& scheduler_;
  Random& random_;
  const config::Upstream* settings_ = nullptr;
  std::vector<Idle> idle_;  // by slot, oldest first
  std::vector<ConnectionPtr> draining_;
  std::uint64_t version_ = 0;
};

}  // namespace outrigger::upstream
