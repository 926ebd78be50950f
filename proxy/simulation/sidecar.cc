#include "proxy/simulation/sidecar.h"

#include <algorithm>

namespace outrigger::simulation {
namespace {

class Forward final : public exchange::Observer {
 public:
  explicit Forward(exchange::Observer& to) : to_(to) {}
  void on_exchange_begun(std::uint32_t listener, std::uint32_t route) override {
    to_.on_exchange_begun(listener, route);
  }
  void on_exchange(const exchange::ExchangeRecord& record) override { to_.on_exchange(record); }
  void on_mirror(const exchange::MirrorRecord& record) override { to_.on_mirror(record); }

 private:
  exchange::Observer& to_;
};

}  // namespace

std::vector<upstream::WantedEndpoint> wanted_endpoints(const config::Upstream& settings) {
  std::vector<upstream::WantedEndpoint> wanted;
  for (const config::Endpoint& endpoint : settings.endpoints) {
    wanted.push_back(
        {endpoint.address, endpoint.address, endpoint.weight, endpoint.zone, endpoint.priority});
  }
  return wanted;
}

Sidecar::Sidecar(std::shared_ptr<const config::Config> config, std::uint64_t seed,
                 VirtualTime& time, Network& network, exchange::Observer& observer)
    : config_(std::move(config)), time_(time), random_(seed) {
  for (const config::Upstream& settings : config_->upstreams) {
    const auto& state =
        states_.emplace_back(std::make_shared<upstream::ClusterState>(settings, random_.next()));
    state->set_own_zone(config_->node.zone);
    state->set_endpoints(wanted_endpoints(settings), time.now());
    clusters_.push_back(
        std::make_unique<upstream::Cluster>(state, settings, network, time, random_));
    scope_.upstreams.push_back(clusters_.back().get());
  }
  scope_.random = &random_;
  scope_.scheduler = &time;
  scope_.observer = std::make_unique<Forward>(observer);
  scope_.snapshot = exchange::compile(config_, [this](const config::Route& route) {
    return routes_.emplace_back(std::make_shared<exchange::RouteState>(route, random_.next()));
  });
}

Sidecar::~Sidecar() = default;

void Sidecar::tick() {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (config_->upstreams[i].outlier_detection) states_[i]->sweep_if_due(time_.now());
    clusters_[i]->follow_endpoints();
  }
}

void Sidecar::drop_idle() {
  for (const auto& cluster : clusters_) cluster->drop_idle();
}

bool Sidecar::quiet() const {
  return std::ranges::all_of(clusters_, [](const auto& cluster) { return cluster->quiet(); });
}

}  // namespace outrigger::simulation
