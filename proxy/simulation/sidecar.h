// One whole outrigger on virtual time: the real routes, clusters, pools and policies of a
// configuration, over a simulated network. What needs sockets (health checks, resolution, the
// admin server) is not there; a host name is one endpoint.
#pragma once

#include <memory>
#include <vector>

#include "config/model.h"
#include "proxy/exchange/scope.h"
#include "proxy/simulation/network.h"
#include "proxy/simulation/virtual_time.h"
#include "proxy/upstream/cluster.h"

namespace outrigger::simulation {

class Sidecar {
 public:
  // `time`, `network` and `observer` outlive it, and it outlives its exchanges.
  Sidecar(std::shared_ptr<const config::Config> config, std::uint64_t seed, VirtualTime& time,
          Network& network, exchange::Observer& observer);
  ~Sidecar();
  Sidecar(const Sidecar&) = delete;
  Sidecar& operator=(const Sidecar&) = delete;

  // What the daemon does once a second.
  void tick();
  // Lets go of idle connections; they are closed by what happens next.
  void drop_idle();

  exchange::Scope& scope() { return scope_; }
  const exchange::ListenerRoutes& listener(std::size_t index) const {
    return *scope_.snapshot->listeners[index];
  }
  const config::Config& config() const { return *config_; }
  upstream::ClusterState& state(std::size_t upstream) { return *states_[upstream]; }
  exchange::RouteState& route_state(std::size_t route) { return *routes_[route]; }
  bool quiet() const;  // no attempt is under way

 private:
  std::shared_ptr<const config::Config> config_;
  VirtualTime& time_;
  Random random_;
  std::vector<std::shared_ptr<upstream::ClusterState>> states_;
  std::vector<std::unique_ptr<upstream::Cluster>> clusters_;
  std::vector<std::shared_ptr<exchange::RouteState>> routes_;  // by the snapshot's route index
  exchange::Scope scope_;
};

std::vector<upstream::WantedEndpoint> wanted_endpoints(const config::Upstream& settings);

}  // namespace outrigger::simulation
