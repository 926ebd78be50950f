// All workers, as the control thread sees them: what is said to one is said to each.
//
// None is destroyed before all have stopped, as each may wake any other.
#pragma once

#include <memory>
#include <vector>

#include "proxy/worker.h"

namespace outrigger {

class Workers final : public CrashWitness {
 public:
  // As Worker's; `count` of them.
  Workers(std::uint32_t count, std::uint64_t seed, downstream::ConnectionTotal& connections,
          BufferedBytes& buffered);
  ~Workers() override;

  std::uint32_t count() const { return static_cast<std::uint32_t>(workers_.size()); }

  // A configuration that comes into force on all of them.
  struct Orders {
    std::shared_ptr<const config::Config> config;
    std::shared_ptr<const exchange::Snapshot> snapshot;
    std::vector<std::shared_ptr<upstream::ClusterState>> upstreams;
    struct NewListener {
      std::size_t index;                      // into the configuration's listeners
      std::vector<net::BoundSocket> sockets;  // by worker
    };
    std::vector<NewListener> new_listeners;
    std::vector<downstream::CountersByWorker> counters;          // by listener
    std::vector<std::unique_ptr<exchange::Observer>> observers;  // by worker
  };
  void assign(Orders orders);

  void start();
  void stop();
  void set_closing_keep_alive(config::Direction direction, bool on);
  void stop_accepting(config::Direction direction);
  bool stopped_accepting() const;
  double lag_seconds() const;  // the worst
  void measure_lag();
  void follow_endpoints();
  void tell_requests() const override;

 private:
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace outrigger
