#include "tests/fuzz/sidecar.h"

#include "proxy/base/check.h"
#include "proxy/net/address.h"

namespace outrigger::fuzz {
namespace {

class Count final : public exchange::Observer {
 public:
  explicit Count(Heard& heard) : heard_(heard) {}
  void on_exchange_begun(std::uint32_t, std::uint32_t) override { ++heard_.begun; }
  void on_exchange(const exchange::ExchangeRecord& record) override {
    ++heard_.ended;
    heard_.tries += record.try_count;
    INVARIANT(heard_.ended <= heard_.begun);
    for (std::size_t i = 0; i < record.try_count; ++i) INVARIANT(record.tries[i].ended);
  }
  void on_mirror(const exchange::MirrorRecord&) override { ++heard_.tries; }

 private:
  Heard& heard_;
};

}  // namespace

Sidecar::Sidecar(std::shared_ptr<const config::Config> config) : config_(std::move(config)) {
  loop_.count_buffered(&buffered_);
  buffered_.set_bound(*config_->overload.max_buffered_bytes);
  exchange::Scheduler& scheduler = *this;
  for (const config::Upstream& settings : config_->upstreams) {
    const auto& state =
        states_.emplace_back(std::make_shared<upstream::ClusterState>(settings, random_.next()));
    std::vector<upstream::WantedEndpoint> endpoints;
    for (const config::Endpoint& endpoint : settings.endpoints) {
      endpoints.push_back({endpoint.address, endpoint.address});
    }
    state->set_endpoints(endpoints, loop_.now());
    clusters_.push_back(
        std::make_unique<upstream::Cluster>(state, settings, factory_, scheduler, random_));
    scope_.upstreams.push_back(clusters_.back().get());
  }
  scope_.snapshot = exchange::compile(config_, [this](const config::Route& route) {
    return routes_.emplace_back(std::make_shared<exchange::RouteState>(route, random_.next()));
  });
  scope_.observer = std::make_unique<Count>(heard_);
  scope_.random = &random_;
  scope_.scheduler = &scheduler;
  scope_.mirrors = &mirrors_;
  scope_.buffered = &buffered_;
  auto address = net::Address::parse(config_->listeners.front().address);
  listener_ = std::make_unique<downstream::Listener>(
      loop_, std::move(net::BoundSocket::bind(address.value()).value()), pools_, connections_,
      counters_);
  listener_->use(scope_, *scope_.snapshot->listeners.front());
  listener_->start();
}

Sidecar::~Sidecar() {
  destroy();
}

void Sidecar::soon(exchange::Task& task) {
  tasks_.add(task);
  if (!pending()) loop_.defer(*this);
}

void Sidecar::tick() {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    states_[i]->sweep_if_due(loop_.now());
    clusters_[i]->follow_endpoints();
  }
  mirrors_.expire(loop_.now());
}

void Sidecar::drain() {
  listener_->set_closing_keep_alive(true);
  if (listener_->accepting()) listener_->stop_accepting();
}

void Sidecar::destroy() {
  if (!listener_) return;
  listener_->close_all();
  listener_.reset();
  mirrors_.clear();
  INVARIANT(heard_.begun == heard_.ended);
  INVARIANT(scope_.users == 0);
  clusters_.clear();
}

void Sidecar::check_quiet() {
  INVARIANT(heard_.begun == heard_.ended);
  INVARIANT(scope_.users == 0);
  INVARIANT(mirrors_.in_flight() == 0);
  const TimePoint now = loop_.now();
  for (std::size_t i = 0; i < states_.size(); ++i) {
    INVARIANT(clusters_[i]->quiet());
    const auto live = states_[i]->live(now);
    INVARIANT(live.requests_in_flight == 0);
    INVARIANT(live.requests_pending == 0);
    INVARIANT(live.connections_active == 0);
    INVARIANT(live.connections_connecting == 0);
    INVARIANT(live.adaptive.in_flight == 0 && live.adaptive.waiting == 0);
    for (const auto& endpoint : live.endpoints) {
      INVARIANT(endpoint.in_flight == 0 && endpoint.connections == 0);
    }
  }
  for (const auto& route : routes_) {
    const auto live = route->live(now);
    INVARIANT(live.requests_in_flight == 0);
    INVARIANT(live.adaptive.in_flight == 0 && live.adaptive.waiting == 0);
  }
}

void Sidecar::check_empty() {
  INVARIANT(counters_->requests == 0);
  INVARIANT(*counters_->connections == 0);
  INVARIANT(connections_.open == 0);
  INVARIANT(buffered_.value() == 0);
  for (const auto& state : states_) INVARIANT(state->live(loop_.now()).connections_idle == 0);
}

}  // namespace outrigger::fuzz
