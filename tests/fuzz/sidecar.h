// A worker without its thread: the real listener, connections, exchanges and clusters on a loop
// that the target turns, over Unix sockets in a folder of its own.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "proxy/downstream/listener.h"
#include "proxy/exchange/mirror.h"
#include "proxy/exchange/scope.h"
#include "proxy/net/loop.h"
#include "proxy/upstream/cluster.h"
#include "proxy/upstream/http1_connection.h"

namespace outrigger::fuzz {

// What the observer has heard.
struct Heard {
  std::uint64_t begun = 0;
  std::uint64_t ended = 0;
  std::uint64_t tries = 0;  // that may have reached an upstream, mirrors' too
};

class Sidecar final : private exchange::Scheduler, private net::Deferred {
 public:
  // Of `config` the first listener serves; upstreams' endpoints are Unix sockets.
  explicit Sidecar(std::shared_ptr<const config::Config> config);
  ~Sidecar() override;

  void turn() { loop_.run_once(false); }
  void tick();     // what the control thread asks of a worker now and then
  void drain();    // takes no further connection
  void destroy();  // all that serves, whatever is under way

  const Heard& heard() const { return heard_; }
  bool busy() const { return heard_.begun != heard_.ended || mirrors_.in_flight() > 0; }
  // Nothing is under way; what still stands is idle.
  void check_quiet();
  // No connection of a caller, no byte kept.
  void check_empty();

 private:
  TimePoint read_clock() override { return loop_.now(); }
  std::int64_t unix_seconds() override { return 1'700'000'000; }
  void soon(exchange::Task& task) override;
  void run_deferred() override { tasks_.run_all(); }

  std::shared_ptr<const config::Config> config_;
  BufferedBytes buffered_;
  Heard heard_;
  net::Loop loop_;
  exchange::TaskList tasks_;
  Random random_{1};
  downstream::ConnectionTotal connections_;
  std::shared_ptr<downstream::ListenerCounters> counters_ =
      std::make_shared<downstream::ListenerCounters>();
  downstream::Pools pools_;
  upstream::Http1ConnectionFactory factory_{loop_, pools_.gathers};
  std::vector<std::shared_ptr<exchange::RouteState>> routes_;
  std::vector<std::shared_ptr<upstream::ClusterState>> states_;
  std::vector<std::unique_ptr<upstream::Cluster>> clusters_;
  exchange::Scope scope_;
  exchange::Mirrors mirrors_;
  std::unique_ptr<downstream::Listener> listener_;
};

}  // namespace outrigger::fuzz
