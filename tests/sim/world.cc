#include "tests/sim/world.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "proxy/simulation/caller.h"

namespace outrigger::sim {

using namespace std::chrono_literals;
using exchange::ExchangeRecord;
using exchange::TryKind;

// Time to the head, unless a change says otherwise.
const simulation::Latency kUsual{.min = 2500us, .max = 7500us};

// A caller.

class World::SimCaller final : public simulation::VirtualCaller {
 public:
  explicit SimCaller(World& world) : VirtualCaller(world.time_), world_(world) {
    ++world_.callers_;
  }
  ~SimCaller() override { --world_.callers_; }

  void begin() {
    auto& request = exchange_.request();
    request.clear();
    static constexpr std::string_view kMethods[] = {"GET", "GET", "GET", "PUT", "POST"};
    request.method = kMethods[world_.random_.below(5)];
    request.target = request.path = "/";
    request.authority = "sim";
    const bool body = request.method == "POST" || request.method == "PUT";
    chunks_left_ = body ? 1 + world_.random_.below(3) : 0;
    const bool has_length = body && world_.random_.below(2) == 0;
    request.framing = !body        ? http::Framing::None
                      : has_length ? http::Framing::Length
                                   : http::Framing::Chunked;
    if (has_length) request.content_length = chunks_left_ * kChunk;
    if (body && world_.random_.below(4) == 0) request.headers.add("Idempotency-Key", "k");
    if (world_.random_.below(6) == 0) request.headers.add("x-request-timeout-ms", "120");
    // Some leave before they are answered.
    if (world_.random_.below(20) == 0) {
      later(std::chrono::milliseconds(world_.random_.below(200)), [this] { leave(); });
    }
    if (body) later(1ms, [this] { send_chunk(); });
    exchange_.begin(world_.sidecar_->scope(), world_.sidecar_->listener(0), *this);
    if (exchange_.active()) exchange_.on_read_done();
  }

  void send_head(const http::ResponseHead&, std::string_view) override {
    world_.require(!head_sent_, "a head was sent twice");
    head_sent_ = true;
  }
  void send_body(std::string_view) override {
    world_.require(head_sent_ && !ended_, "body bytes outside of a response");
  }
  void send_end(const http::Headers*) override {
    world_.require(head_sent_ && !ended_, "an end outside of a response");
    ended_ = true;
  }
  std::uint64_t send_local(const exchange::LocalReply&) override {
    world_.require(!head_sent_, "a local answer after a head");
    head_sent_ = ended_ = true;
    return 0;
  }
  bool flush() override {
    if (world_.random_.below(10) != 0) return true;
    later(2ms, [this] {
      if (exchange_.active()) exchange_.on_caller_writable();
    });
    return false;
  }
  void pause_body() override { paused_ = true; }
  void resume_body() override {
    world_.require(paused_, "a resume without a pause");
    paused_ = false;
    if (chunk_held_) later(0ms, [this] { send_chunk(); });
    chunk_held_ = false;
  }

 private:
  static constexpr std::size_t kChunk = 40 * 1024;

  void on_over(bool complete) override {
    world_.require(!over_, "an exchange ended twice");
    world_.require(!complete || ended_, "a complete exchange without a whole response");
    over_ = true;
  }

  void send_chunk() {
    if (!exchange_.active()) return;
    if (paused_) {
      chunk_held_ = true;
      return;
    }
    static const std::string bytes(kChunk, 'x');
    exchange_.on_body(bytes);
    if (!exchange_.active()) return;
    if (--chunks_left_ > 0) {
      later(std::chrono::milliseconds(world_.random_.below(20)), [this] { send_chunk(); });
    } else {
      exchange_.on_request_end(nullptr);
    }
    if (exchange_.active()) exchange_.on_read_done();
  }

  World& world_;
  std::uint32_t chunks_left_ = 0;
  bool head_sent_ = false;
  bool ended_ = false;
  bool over_ = false;
  bool paused_ = false;
  bool chunk_held_ = false;
};

// The world.

World::World(std::uint64_t seed) : seed_(seed), random_(seed) {
  network_ = std::make_unique<Network>(
      time_, seed + 1, simulation::Manners{.idle_close_percent = 5, .body_time = 2ms});
  make_config();
  exchange::Observer& observer = *this;
  sidecar_ = std::make_unique<Sidecar>(config_, seed + 10, time_, *network_, observer);
  sidecar_->scope().mirrors = &mirrors_;
  budgets_.resize(config_->upstreams.size());
}

World::~World() {
  mirrors_.clear();
  sidecar_->drop_idle();
  while (time_.step(time_.now() + 1s)) {
  }
  sidecar_.reset();
  time_.settle();
}

void World::make_config() {
  config_ = std::make_shared<config::Config>();
  config::Upstream upstream{.name = "u"};
  upstream.limits.max_requests = 5 + random_.below(60);
  upstream.limits.max_connections = upstream.limits.max_requests + random_.below(20);
  upstream.limits.max_pending = random_.below(50);
  upstream.limits.pending_timeout = std::chrono::milliseconds(50 + random_.below(500));
  if (random_.below(3) == 0) upstream.limits.max_requests_per_endpoint = 3 + random_.below(20);
  if (random_.below(2) == 0) upstream.limits.max_requests_per_connection = 1 + random_.below(20);
  upstream.timeouts.connect = std::chrono::milliseconds(100 + random_.below(400));
  upstream.load_balancer.policy = static_cast<config::LoadBalancerPolicy>(random_.below(4));
  if (random_.below(2) == 0) upstream.circuit_breaker.emplace();
  if (random_.below(2) == 0) {
    upstream.outlier_detection = config::present_outlier_detection();
    auto& detection = *upstream.outlier_detection;
    detection.base_ejection_time = 2s;
    detection.interval = 200ms;
    detection.success_rate->min_requests = 5;
    if (random_.below(2) == 0) detection.failure_percentage.emplace().min_requests = 5;
    if (random_.below(2) == 0) detection.latency.emplace().min_requests = 5;
    detection.max_ejection_percent = random_.below(101);
    detection.min_available = random_.below(3);
  }
  const auto count = 1 + random_.below(6);
  for (std::uint32_t i = 0; i < count; ++i) {
    upstream.endpoints.push_back(
        {.address = "10.0.0." + std::to_string(i + 1) + ":80", .weight = 1 + random_.below(3)});
  }
  endpoints_ = simulation::wanted_endpoints(upstream);
  if (random_.below(2) == 0) {
    upstream.health_check.emplace().tcp.emplace();
    upstream.load_balancer.panic_threshold_percent.reset();
  }
  if (random_.below(3) == 0) {
    upstream.adaptive_concurrency = {.initial = 3 + random_.below(30), .queue = random_.below(20)};
  }
  config_->upstreams.push_back(upstream);

  config::Route route{.name = "r", .upstream = "u"};
  route.timeouts.request = std::chrono::milliseconds(300 + random_.below(2000));
  if (random_.below(2) == 0)
    route.timeouts.per_try = std::chrono::milliseconds(50 + random_.below(200));
  if (random_.below(4) != 0) route.retry = config::Retry{};
  if (route.retry && random_.below(3) == 0) {
    route.hedge.emplace();
    route.hedge->max = 1 + random_.below(3);
    if (random_.below(2) == 0) {
      route.hedge->after = {.time = std::chrono::milliseconds(random_.below(100)), .percentile = 0};
    }
  }
  if (random_.below(3) == 0) {
    using enum config::FallbackWord;
    route.fallback.emplace();
    route.fallback->upstream = "spare";
    route.fallback->fallback_on.insert({FiveXx, ConnectFailure, Reset});
  }
  if (route.retry && route.timeouts.per_try) {
    route.retry->retry_on.words.insert(config::RetryWord::PerTryTimeout);
  }
  if (random_.below(3) == 0) route.circuit_breaker.emplace();
  if (random_.below(3) == 0) route.limits.max_requests = 10 + random_.below(50);
  if (random_.below(3) == 0) {
    route.adaptive_concurrency = {.initial = 3 + random_.below(30), .queue = random_.below(20)};
  }
  config_->listeners.push_back(config::Listener{.name = "l", .address = "127.0.0.1:1"});
  config_->listeners.back().routes.push_back(route);
  if (route.fallback) {
    upstream.name = "spare";
    upstream.endpoints = {{.address = "10.0.1.1:80"}};
    config_->upstreams.push_back(upstream);
    network_->server("10.0.1.1:80")
        .behave({.latency = kUsual, .statuses = {{503, 10}}, .reset_percent = 10});
  }
  if (random_.below(2) == 0) add_mirror(upstream);
}

// Its failures are nothing to the exchanges, whose checks stay the same.
void World::add_mirror(config::Upstream upstream) {
  upstream.name = "shadow";
  upstream.endpoints = {{.address = "10.0.2.1:80"}, {.address = "10.0.2.2:80"}};
  config_->upstreams.push_back(upstream);
  config_->listeners.back().routes.back().mirror =
      config::Mirror{.upstream = "shadow", .percent = random_.unit() * 100};
  network_->server("10.0.2.1:80")
      .behave({.latency = kUsual, .reset_percent = 10, .hang_percent = 10, .break_percent = 10});
  network_->server("10.0.2.2:80").behave({.latency = kUsual, .unreachable_percent = 30});
}

void World::require(bool condition, const std::string& what) const {
  if (condition) return;
  std::fprintf(stderr, "invariant broken: %s; again with OUTRIGGER_SIM_SEED=%llu\n", what.c_str(),
               static_cast<unsigned long long>(seed_));
  std::abort();
}

void World::run(std::uint32_t exchanges) {
  to_come_ = exchanges;
  time_.after(0ms, [this] { arrive(); });
  time_.after(100ms, [this] { change_something(); });
  time_.after(1s, [this] { expire_mirrors(); });
  const auto over = [&] {
    return finished_ == exchanges && callers_ == 0 && mirrors_.in_flight() == 0;
  };
  while (!over() && time_.step(kNever)) check_step();
  check_end();
}

void World::expire_mirrors() {
  mirrors_.expire(time_.now());
  if (to_come_ == 0 && callers_ == 0 && mirrors_.in_flight() == 0) return;
  time_.after(1s, [this] { expire_mirrors(); });
}

void World::arrive() {
  if (to_come_ == 0) return;
  --to_come_;
  sidecar_->tick();
  auto* caller = new SimCaller(*this);  // deletes itself when its exchange is over
  time_.after(std::chrono::microseconds(random_.below(4000)), [this] { arrive(); });
  caller->begin();
}

// An endpoint gets worse or better, leaves or comes; the configuration is loaded again.
void World::change_something() {
  check_health();
  if (to_come_ == 0) {  // let what is under way end
    for (const auto& endpoint : endpoints_) network_->server(endpoint.address).behave({});
    return;
  }
  time_.after(std::chrono::milliseconds(50 + random_.below(1000)), [this] { change_something(); });
  upstream::ClusterState& state = sidecar_->state(0);
  const auto& chosen = endpoints_[random_.below(static_cast<std::uint32_t>(endpoints_.size()))];
  const double share = random_.unit() * 100;
  const auto behave = [&](simulation::Behaviour behaviour,
                          const simulation::Latency& latency = kUsual) {
    behaviour.latency = latency;
    network_->server(chosen.address).behave(std::move(behaviour));
  };
  switch (random_.below(13)) {
    case 0:
      behave({.refuse_percent = 100});
      break;
    case 1:
      behave({.unreachable_percent = 100, .hang_percent = 100});
      break;
    case 2:
      behave({.statuses = {{503, share}}});
      break;
    case 3:
      behave({.reset_percent = share});
      break;
    case 4:
      behave({.break_percent = share});
      break;
    case 5:
      behave({.elsewhere_percent = share});
      break;
    case 6:
      behave({}, {.min = Duration{}, .max = std::chrono::milliseconds(random_.below(1000))});
      break;
    case 7: {
      std::vector<upstream::WantedEndpoint> some;
      for (const auto& each : endpoints_) {
        if (random_.below(3) != 0) some.push_back(each);
      }
      state.set_endpoints(some, time_.now());
      break;
    }
    case 8:
      state.configure(config_->upstreams[0], time_.now());
      state.set_endpoints(endpoints_, time_.now());
      break;
    case 9:
      behave({.capacity = simulation::Capacity{.requests = 1 + random_.below(4), .queue = 20}});
      break;
    case 10:
      state.eject_by_hand(chosen.address, time_.now());
      time_.after(std::chrono::milliseconds(random_.below(500)), [this, address = chosen.address] {
        sidecar_->state(0).restore_by_hand(address, time_.now());
      });
      break;
    case 11:
      change_health(chosen.address);
      break;
    default:
      behave({});
  }
}

// As a check would find it that passes a threshold.
void World::change_health(const std::string& address) {
  if (!config_->upstreams[0].health_check) return;
  for (const auto& each : sidecar_->state(0).endpoints()) {
    if (each.endpoint->address != address) continue;
    policy::CheckEnd end;
    if (each.healthy) end.outcome = policy::CheckOutcome::Timeout;
    sidecar_->state(0).set_health(each, {.healthy = !each.healthy, .last = end, .consecutive = 3});
  }
  check_health();
}

void World::check_health() {
  std::map<std::string, std::uint64_t> unhealthy;
  for (const auto& endpoint : sidecar_->state(0).live(time_.now()).endpoints) {
    if (endpoint.health.healthy) continue;
    const auto known = tries_of_unhealthy_.find(endpoint.address);
    require(known == tries_of_unhealthy_.end() || known->second == endpoint.tries,
            "an unhealthy endpoint got a try");
    unhealthy[endpoint.address] = endpoint.tries;
  }
  tries_of_unhealthy_ = std::move(unhealthy);
}

void World::check_step() {
  const auto& limits = config_->upstreams[0].limits;
  const auto upstreams = config_->upstreams.size();  // with the same limits
  require(network_->requests_now() <= upstreams * (limits.max_requests + limits.max_connections),
          "more requests at the endpoints than limits allow");
  require(network_->open_connections() <= upstreams * limits.max_connections,
          "too many connections");
  require(mirrors_.in_flight() <= exchange::Mirrors::kMaxInFlight, "too many mirrors");
}

void World::on_exchange(const ExchangeRecord& record) {
  ++finished_;
  if (record.status == 200 && record.aborted == exchange::AbortSide::None) ++succeeded_;
  check_record(record);
  check_ejections();
}

// Those ejected by hand are none that the cap counts.
void World::check_ejections() {
  const auto& detection = config_->upstreams[0].outlier_detection;
  double seen = 0;
  double out = 0;
  for (const auto& endpoint : sidecar_->state(0).live(time_.now()).endpoints) {
    if (endpoint.by_hand) continue;
    ++seen;
    if (endpoint.state == "ejected") ++out;
  }
  const double share = detection ? detection->max_ejection_percent : 50;
  const double one = seen >= 2 && share > 0 ? 1 : 0;
  require(out <= std::max(std::floor(seen * share / 100), one),
          "more are ejected than the cap allows");
}

void World::check_record(const ExchangeRecord& record) {
  const config::Route& route = config_->listeners[0].routes[0];
  constexpr Duration kTick = 10ms;
  // Where there is a body, `request` begins to count when its last byte has come.
  require(record.request_bytes > 0 || record.duration <= *route.timeouts.request + kTick,
          "an exchange outlived its deadline");
  std::array<int, 3> tries{};
  int relayed = 0;
  bool fell_back = false;
  for (std::size_t i = 0; i < record.try_count; ++i) {
    const auto& one = record.tries[i];
    ++tries[static_cast<std::size_t>(one.kind)];
    relayed += one.relayed ? 1 : 0;
    require(!fell_back, "a try after the fallback's");
    fell_back = one.upstream != exchange::kNoIndex;
    const bool first = one.kind == TryKind::First;
    require(first == (i == 0 || fell_back), "the first try is not the first");
    if (one.kind == TryKind::Retry) ++retries_;
    const bool free = one.kind == TryKind::Retry &&
                      record.retry_reasons[i] == policy::RetryReason::StaleConnection;
    if (!first && !free) ++budgets_[0].retries;
  }
  require(tries[1] <= (route.retry ? route.retry->max_retries : 0) + 1,
          "more tries than max_retries allows");
  require(tries[2] <= (route.hedge ? static_cast<int>(route.hedge->max) : 0),
          "more hedges than hedge.max");
  require(relayed <= 1, "two responses were relayed");
  require(!fell_back || record.fell_back, "a fallback that the record does not know of");
  hedges_ += static_cast<std::uint64_t>(tries[2]);
  fallbacks_ += record.fell_back ? 1 : 0;
  const auto& budget = config_->upstreams[0].retry_budget;
  const double since = seconds(time_.now().time_since_epoch());
  const double allowed = budget.percent / 100 * static_cast<double>(begun_) +
                         budget.min_per_second * (since + seconds(budget.window)) + 1;
  require(static_cast<double>(budgets_[0].retries) <= allowed, "more retries than the budget has");
}

std::uint64_t World::ejections() const {
  std::uint64_t total = 0;
  for (const auto& each : sidecar_->state(0).live(TimePoint(1h)).ejections) total += each.count;
  return total;
}

std::uint64_t World::ejections_by_sweep() const {
  std::uint64_t total = 0;
  for (const auto& each : sidecar_->state(0).live(TimePoint(1h)).ejections) {
    const bool by_sweep = each.label == "success-rate" || each.label == "failure-percentage" ||
                          each.label == "latency";
    if (by_sweep) total += each.count;
  }
  return total;
}

void World::check_end() {
  require(finished_ == begun_, "exchanges begun and finished differ");
  require(callers_ == 0, "a caller never heard the end");
  require(sidecar_->scope().users == 0, "the scope is still in use");
  for (std::size_t i = 0; i < config_->upstreams.size(); ++i) {
    const auto live = sidecar_->state(i).live(time_.now());
    require(live.requests_in_flight == 0, "request places were not given back");
    require(live.requests_pending == 0, "somebody still waits");
  }
  require(sidecar_->quiet(), "attempts are still out");
  // Connections whose dropped response is still read come back soon.
  const auto end = time_.now() + 5s;
  while (time_.step(end)) {
  }
  std::uint32_t idle = 0;
  for (std::size_t i = 0; i < config_->upstreams.size(); ++i) {
    const auto after = sidecar_->state(i).live(time_.now());
    require(after.connections_active == 0, "connection places were not given back");
    require(after.connections_connecting == 0, "connects were not counted down");
    idle += after.connections_idle;
  }
  require(idle == network_->open_connections(), "the pool's book is wrong");
}

}  // namespace outrigger::sim
