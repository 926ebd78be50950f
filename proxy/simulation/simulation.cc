#include "proxy/simulation/simulation.h"

#include <cmath>

#include "proxy/simulation/caller.h"

namespace outrigger::simulation {
namespace {

using namespace std::chrono_literals;

// As the daemon ticks.
constexpr Duration kTick = 1s;
// How exact the times of what happens are.
constexpr Duration kLook = 10ms;
// After the last phase requests under way end; who waits longer leaves.
constexpr Duration kPatience = 2min;

}  // namespace

class Simulation::Request final : public VirtualCaller {
 public:
  Request(Simulation& owner, std::uint64_t id)
      : VirtualCaller(owner.time_), owner_(owner), id_(id) {}

  void begin(const RequestShape& shape, std::string_view method) {
    fill_request(exchange_.request(), shape, method);
    Sidecar& sidecar = *owner_.hops_.front().sidecars.front();
    exchange_.begin(sidecar.scope(), sidecar.listener(shape.listener), *this);
    if (exchange_.active()) exchange_.on_read_done();
  }

 private:
  void on_over(bool) override { owner_.requests_.erase(id_); }

  Simulation& owner_;
  std::uint64_t id_;
};

Simulation::Simulation(const Plan& plan, std::uint64_t seed)
    : plan_(plan), seed_(seed), random_(seed), start_(time_.now()) {
  TimePoint end = start_;
  for (const Phase& phase : plan_.scenario.phases) phase_ends_.push_back(end += phase.duration);
  hops_.resize(plan_.configs.size());
  for (std::size_t i = 0; i < hops_.size(); ++i) build_hop(i);
  for (std::size_t i = 0; i < plan_.callers.size(); ++i) {
    Group& group = groups_.emplace_back();
    group.callers = &plan_.scenario.callers[i];
    group.shape = &plan_.callers[i];
    group.random = Random(random_.next());
    for (const auto& [method, weight] : group.callers->methods) group.weights += weight;
  }
}

// Connections end before the networks do, and what they leave to be done soon before the time.
Simulation::~Simulation() {
  for (Hop& hop : hops_) {
    for (const auto& sidecar : hop.sidecars) sidecar->drop_idle();
  }
  time_.settle();
  for (Hop& hop : hops_) {
    hop.watches.clear();
    hop.services.clear();
    hop.sidecars.clear();
  }
  time_.settle();
}

void Simulation::build_hop(std::size_t index) {
  Hop& hop = hops_[index];
  hop.network = std::make_unique<Network>(time_, random_.next());
  hop.tally = std::make_unique<Tally>(phase_ends_);
  if (index > 0) return build_services(index);
  hop.sidecars.push_back(
      std::make_unique<Sidecar>(plan_.configs[0], random_.next(), time_, *hop.network, *hop.tally));
  hop.watches.emplace_back(*hop.sidecars.front(), hops_.size() == 1 ? "" : "hop 0", start_);
}

void Simulation::build_services(std::size_t index) {
  Hop& hop = hops_[index];
  const std::size_t before = index - 1;
  const auto& upstream = plan_.configs[before]->upstreams[plan_.upstream_of_hop(before)];
  for (const config::Endpoint& endpoint : upstream.endpoints) {
    auto& sidecar = *hop.sidecars.emplace_back(std::make_unique<Sidecar>(
        plan_.configs[index], random_.next(), time_, *hop.network, *hop.tally));
    auto& service = *hop.services.emplace_back(std::make_unique<Service>(
        time_, sidecar, plan_.hops[before], plan_.scenario.hops[before].pass_headers));
    hops_[before].network->server(endpoint.address).ask_on_through(service);
    hop.watches.emplace_back(sidecar, "hop " + std::to_string(index) + " at " + endpoint.address,
                             start_);
  }
}

// Time.

Report Simulation::run() {
  begin_phase(0);
  time_.after(kTick, [this] { tick(); });
  time_.after(kLook, [this] { look(); });
  const TimePoint patience = saturating_add(phase_ends_.back(), kPatience);
  while (!(over_ && requests_.empty()) && time_.step(patience)) {
  }
  let_callers_leave();
  Report report{.scenario = plan_.file, .seed = seed_, .phases = std::move(reports_)};
  for (const auto& config : plan_.configs) report.configs.push_back(config->file);
  finish(report);
  return report;
}

void Simulation::begin_phase(std::size_t index) {
  phase_ = index;
  const Phase& phase = plan_.scenario.phases[index];
  PhaseReport& report = reports_.emplace_back();
  report.name = phase.name;
  report.begins = time_.now() - start_;
  report.lasts = phase.duration;
  behave(phase);
  for (Group& group : groups_) {
    group.rate = rate_in(phase, *group.callers);
    ++group.generation;
    plan_arrival(group);
  }
  time_.at(phase_ends_[index], [this, index] { end_phase(index); });
}

void Simulation::end_phase(std::size_t index) {
  PhaseReport& report = reports_[index];
  for (std::size_t h = 0; h < hops_.size(); ++h) {
    for (const config::Upstream& upstream : plan_.configs[h]->upstreams) {
      for (const config::Endpoint& endpoint : upstream.endpoints) {
        const auto load = hops_[h].network->server(endpoint.address).take_load();
        report.endpoints.push_back(
            {h, upstream.name, endpoint.address, load.requests, load.wasted, load.at_once});
      }
    }
  }
  over_ = index + 1 == plan_.scenario.phases.size();
  if (!over_) begin_phase(index + 1);
}

void Simulation::behave(const Phase& phase) {
  for (std::size_t h = 0; h < hops_.size(); ++h) {
    for (const config::Upstream& upstream : plan_.configs[h]->upstreams) {
      for (const config::Endpoint& endpoint : upstream.endpoints) {
        Behaviour behaviour;
        for (const auto* changes : {&plan_.scenario.endpoints, &phase.endpoints}) {
          for (const EndpointChange& change : *changes) {
            if (picks(change, h, upstream.name, endpoint.address)) apply(change, behaviour);
          }
        }
        hops_[h].network->server(endpoint.address).behave(std::move(behaviour));
      }
    }
  }
}

void Simulation::tick() {
  for (Hop& hop : hops_) {
    for (const auto& sidecar : hop.sidecars) sidecar->tick();
  }
  time_.after(kTick, [this] { tick(); });
}

void Simulation::look() {
  if (over_) return;
  for (Hop& hop : hops_) {
    for (Watch& watch : hop.watches) {
      watch.look(time_.now(), time_.now() - start_, reports_[phase_].happenings);
    }
  }
  time_.after(kLook, [this] { look(); });
}

// Callers.

void Simulation::plan_arrival(Group& group) {
  if (group.rate <= 0) return;
  const bool poisson = group.callers->arrivals == Arrivals::Poisson;
  const double gap = (poisson ? -std::log(1 - group.random.unit()) : 1.0) / group.rate;
  const auto wait = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(gap));
  time_.after(wait, [this, &group, generation = group.generation] {
    if (over_ || generation != group.generation) return;
    plan_arrival(group);
    const auto id = ++last_request_;
    auto* request = new Request(*this, id);  // deletes itself when its exchange is over
    requests_[id] = request;
    request->begin(*group.shape, method_of(group));
  });
}

std::string_view Simulation::method_of(Group& group) {
  double chance = group.weights == 0 ? 0 : group.random.unit() * group.weights;
  for (const auto& [method, weight] : group.callers->methods) {
    if (chance < weight) return method;
    chance -= weight;
  }
  return group.shape->method;
}

void Simulation::let_callers_leave() {
  const auto under_way = requests_;
  for (const auto& [id, request] : under_way) request->leave();
  time_.settle();
}

void Simulation::finish(Report& report) {
  for (std::size_t i = 0; i < report.phases.size(); ++i) {
    hops_.front().tally->fill(i, report.phases[i]);
    for (const Hop& hop : hops_) report.phases[i].hops.push_back(hop.tally->tries(i));
  }
}

}  // namespace outrigger::simulation
