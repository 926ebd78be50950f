// A whole small world from a seed: upstreams that fail, routes with policies, callers that come,
// wait, send bodies, and leave. The real Exchange, Cluster, pool and policies run in it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/model.h"
#include "proxy/exchange/record.h"
#include "proxy/simulation/network.h"
#include "proxy/simulation/sidecar.h"
#include "proxy/simulation/virtual_time.h"

namespace outrigger::sim {

using simulation::Network;
using simulation::Sidecar;
using simulation::VirtualTime;

class World final : private exchange::Observer {
 public:
  explicit World(std::uint64_t seed);
  ~World() override;

  // Runs `exchanges` of them to their end, and checks that nothing is left. What does not hold is
  // said with the seed, and ends the process where it happened: the stack is the evidence.
  void run(std::uint32_t exchanges);

  std::uint64_t finished() const { return finished_; }
  std::uint64_t succeeded() const { return succeeded_; }
  std::uint64_t retries() const { return retries_; }
  std::uint64_t hedges() const { return hedges_; }
  std::uint64_t fallbacks() const { return fallbacks_; }
  std::uint64_t mirrored() const { return mirrored_; }
  std::uint64_t ejections() const;
  std::uint64_t ejections_by_sweep() const;

 private:
  class SimCaller;

  void make_config();
  void add_mirror(config::Upstream upstream);
  void arrive();
  void expire_mirrors();
  void change_something();
  void change_health(const std::string& address);
  void check_health();
  void check_step();
  void check_ejections();
  void check_end();
  void require(bool condition, const std::string& what) const;

  void on_exchange_begun(std::uint32_t, std::uint32_t) override { ++begun_; }
  void on_exchange(const exchange::ExchangeRecord& record) override;
  void on_mirror(const exchange::MirrorRecord& record) override {
    if (record.attempt.reached_endpoint) ++mirrored_;
  }
  void check_record(const exchange::ExchangeRecord& record);

  std::uint64_t seed_;
  Random random_;
  VirtualTime time_;
  std::unique_ptr<Network> network_;
  std::shared_ptr<config::Config> config_;
  std::vector<upstream::WantedEndpoint> endpoints_;  // all there may be
  std::unique_ptr<Sidecar> sidecar_;
  exchange::Mirrors mirrors_;
  std::uint32_t to_come_ = 0;
  std::uint64_t begun_ = 0;
  std::uint64_t finished_ = 0;
  std::uint64_t succeeded_ = 0;
  std::uint64_t first_tries_ = 0;
  std::uint64_t retries_ = 0;
  std::uint64_t hedges_ = 0;
  std::uint64_t fallbacks_ = 0;
  std::uint64_t mirrored_ = 0;
  std::uint64_t callers_ = 0;  // alive
  struct Budget {
    std::uint64_t firsts = 0;
    std::uint64_t retries = 0;
  };
  std::vector<Budget> budgets_;                              // by upstream
  std::map<std::string, std::uint64_t> tries_of_unhealthy_;  // by address, when they became so
};

}  // namespace outrigger::sim
