// Runs a scenario: callers, a chain of outriggers with the real policies, endpoints that behave as
// they are told, all on virtual time. The same plan and seed give the same report.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "proxy/simulation/network.h"
#include "proxy/simulation/report.h"
#include "proxy/simulation/scenario.h"
#include "proxy/simulation/service.h"
#include "proxy/simulation/sidecar.h"
#include "proxy/simulation/tally.h"
#include "proxy/simulation/virtual_time.h"
#include "proxy/simulation/watch.h"

namespace outrigger::simulation {

class Simulation {
 public:
  // `plan` outlives it.
  Simulation(const Plan& plan, std::uint64_t seed);
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // Once.
  Report run();

 private:
  class Request;

  // The outriggers of one configuration and what they ask.
  struct Hop {
    std::unique_ptr<Network> network;
    std::unique_ptr<Tally> tally;
    std::vector<std::unique_ptr<Sidecar>> sidecars;  // one; in later hops one an endpoint before
    std::vector<std::unique_ptr<Service>> services;  // before the sidecars, where not the first
    std::vector<Watch> watches;
  };
  struct Group {
    const Callers* callers = nullptr;
    const RequestShape* shape = nullptr;
    double rate = 0;
    double weights = 0;  // of all methods
    Random random{0};
    std::uint64_t generation = 0;  // a rate that changes makes what was planned void
  };

  void build_hop(std::size_t index);
  void build_services(std::size_t index);
  void begin_phase(std::size_t index);
  void end_phase(std::size_t index);
  void behave(const Phase& phase);
  void plan_arrival(Group& group);
  std::string_view method_of(Group& group);
  void tick();
  void look();
  void let_callers_leave();
  void finish(Report& report);

  const Plan& plan_;
  std::uint64_t seed_;
  Random random_;
  VirtualTime time_;
  TimePoint start_;
  std::vector<TimePoint> phase_ends_;
  std::vector<Hop> hops_;
  std::vector<Group> groups_;
  std::map<std::uint64_t, Request*> requests_;  // under way
  std::uint64_t last_request_ = 0;
  std::size_t phase_ = 0;
  bool over_ = false;
  std::vector<PhaseReport> reports_;
};

}  // namespace outrigger::simulation
