#include "proxy/worker.h"

#include <algorithm>
#include <ctime>

namespace outrigger {

std::string listener_key(const config::Listener& listener) {
  return listener.address;
}

namespace {

// So long after the last request the loop's lag is still measured.
constexpr Duration kProbeAfterRequest = std::chrono::seconds(1);
constexpr Duration kNoLag = std::chrono::milliseconds(1);
// What was needed at once in so long a time is kept for the next, and of what was not, a few.
constexpr Duration kTrimEvery = std::chrono::seconds(10);
constexpr std::size_t kKeptSpare = 64;

TimePoint next_tick(TimePoint at) {
  const auto ticks = at.time_since_epoch() / net::TimerWheel::kTick;
  return TimePoint{(ticks + 1) * net::TimerWheel::kTick};
}

}  // namespace

thread_local Worker* Worker::current_ = nullptr;

Worker::Worker(std::uint32_t index, std::uint64_t seed, downstream::ConnectionTotal& connections,
               BufferedBytes& buffered)
    : index_(index),
      random_(seed),
      connections_(connections),
      buffered_(buffered),
      probe_(loop_, *this),
      trim_(loop_, *this),
      factory_(loop_, pools_.gathers) {
  loop_.count_buffered(&buffered_);
  remember_time(loop_.read_time());
  loop_.when_woken(*this);
  to_wake_.reserve(config::kMaxWorkers);  // it grows under locks
}

Worker::~Worker() {
  stop();
}

void Worker::start() {
  thread_ = std::thread([this] {
    const CrashStack crash_stack;
    current_ = this;
    loop_.run();
  });
}

std::int64_t Worker::unix_seconds() {
  return std::time(nullptr);
}

void Worker::soon(exchange::Task& task) {
  if (current_ == this) {
    tasks_.add(task);
    if (!pending()) loop_.defer(*this);
    return;
  }
  {
    const std::lock_guard lock(inbox_mutex_);
    inbox_.add(task);
  }
  if (!current_) return loop_.wake();
  auto& others = current_->to_wake_;
  if (std::ranges::find(others, this) == others.end()) others.push_back(this);
  if (!current_->pending()) current_->loop_.defer(*current_);
}

void Worker::cancel(exchange::Task& task) {
  if (!task.scheduled()) return;
  take_inbox();  // where others link to it
  task.unlink();
}

void Worker::take_inbox() {
  const std::lock_guard lock(inbox_mutex_);
  tasks_.take(inbox_);
}

void Worker::run_deferred() {
  take_inbox();
  tasks_.run_all();
  for (Worker* other : to_wake_) other->loop_.wake();
  to_wake_.clear();
}

// Load.

policy::Load Worker::load(TimePoint now) {
  last_request_ = now;
  if (!probe_.armed()) send_probe(now);
  if (!trim_.armed()) trim_.arm(now + kTrimEvery);
  return {.connections = connections_.open.load(std::memory_order_relaxed),
          .buffered_bytes = buffered_.value(),
          .loop_lag = lag_.at(now)};
}

void Worker::send_probe(TimePoint now) {
  const TimePoint due = next_tick(now + policy::LoopLag::kEvery);
  lag_.expect(due, now);
  probe_.arm(due);
}

void Worker::on_timer(net::Timer& timer) {
  if (&timer == &trim_) return trim();
  const TimePoint now = loop_.now();
  lag_.arrived(now);
  const bool busy = now - last_request_ < kProbeAfterRequest || lag_.at(now) > kNoLag;
  if (!busy) lag_.forget();
  lag_seconds_.store(seconds(lag_.at(now)), std::memory_order_relaxed);
  if (busy) send_probe(now);
}

void Worker::trim() {
  pools_.trim(kKeptSpare);
  for (const auto& [name, cluster] : clusters_) cluster->trim(kKeptSpare);
  const bool under_way = scopes_.size() > 1 || (!scopes_.empty() && scopes_.back().users > 0);
  if (under_way || pools_.requests.spare() > kKeptSpare) trim_.arm(loop_.now() + kTrimEvery);
}

// A configuration.

void Worker::assign(Assignment assignment) {
  auto shared = std::make_shared<Assignment>(std::move(assignment));
  loop_.post([this, shared] { apply(*shared); });
}

void Worker::apply(Assignment& assignment) {
  exchange::Scheduler& scheduler = *this;
  WorkerScope& scope = scopes_.emplace_back();
  scope.snapshot = assignment.snapshot;
  scope.observer = std::move(assignment.observer);
  scope.detailed = assignment.config->access_log.has_value();
  scope.random = &random_;
  scope.scheduler = &scheduler;
  scope.mirrors = &mirrors_;
  exchange::LoadMeter& load_meter = *this;
  scope.load_meter = &load_meter;
  scope.buffered = &buffered_;
  lag_.configure(assignment.config->overload.max_loop_lag);
  std::map<std::string, std::shared_ptr<upstream::Cluster>> clusters;
  for (std::size_t i = 0; i < assignment.upstreams.size(); ++i) {
    const config::Upstream& settings = assignment.config->upstreams[i];
    auto& cluster = clusters_[settings.name];
    if (cluster) {
      cluster->configure(settings);
    } else {
      cluster = std::make_shared<upstream::Cluster>(assignment.upstreams[i], settings, factory_,
                                                    scheduler, random_);
    }
    scope.clusters.push_back(cluster);
    scope.upstreams.push_back(cluster.get());
    clusters[settings.name] = cluster;
  }
  clusters_ = std::move(clusters);
  bind_listeners(assignment, scope);
  serve_those_who_wait(*assignment.snapshot);
  forget_old_scopes();
}

// Higher limits may have come with a configuration.
void Worker::serve_those_who_wait(const exchange::Snapshot& snapshot) {
  for (const auto& [name, cluster] : clusters_) cluster->follow_endpoints();
  for (const auto& listener : snapshot.listeners) {
    for (const exchange::Route& route : listener->routes) route.state->serve_line(loop_.now());
  }
}

void Worker::bind_listeners(Assignment& assignment, WorkerScope& scope) {
  const auto& configured = assignment.config->listeners;
  std::vector<Bound> kept;
  for (std::size_t i = 0; i < configured.size(); ++i) {
    const std::string key = listener_key(configured[i]);
    const auto same = std::ranges::find(listeners_, key, &Bound::key);
    const auto made =
        std::ranges::find(assignment.new_listeners, i, &Assignment::NewListener::index);
    Bound bound{.key = key};
    const bool known = same != listeners_.end();
    if (known) {
      bound.listener = std::move(same->listener);
      listeners_.erase(same);
    } else if (made != assignment.new_listeners.end()) {
      bound.listener = std::make_unique<downstream::Listener>(
          loop_, std::move(made->socket), pools_, connections_, assignment.counters[i]);
    } else {
      continue;
    }
    bound.listener->use(scope, *assignment.snapshot->listeners[i]);
    if (!known) bound.listener->start();
    kept.push_back(std::move(bound));
  }
  for (Bound& gone : listeners_) {
    gone.listener->set_closing_keep_alive(true);
    gone.listener->stop_accepting();
    leaving_.push_back(std::move(gone));
  }
  listeners_ = std::move(kept);
}

// A scope is kept while requests use it, a listener that left while it has connections.
void Worker::forget_old_scopes() {
  std::erase_if(leaving_,
                [](const Bound& bound) { return bound.listener->open_connections() == 0; });
  const bool in_use = !leaving_.empty();
  for (auto at = scopes_.begin(); at != scopes_.end() && std::next(at) != scopes_.end();) {
    at = at->users == 0 && !in_use ? scopes_.erase(at) : std::next(at);
  }
}

void Worker::measure_lag() {
  const auto posted = std::chrono::steady_clock::now();
  loop_.post([this, posted] {
    const std::chrono::duration<double> late = std::chrono::steady_clock::now() - posted;
    if (!probe_.armed()) lag_seconds_.store(late.count(), std::memory_order_relaxed);
    for (const auto& [name, cluster] : clusters_) cluster->follow_endpoints();
    mirrors_.expire(loop_.now());
    forget_old_scopes();
  });
}

void Worker::follow_endpoints() {
  loop_.post([this] {
    for (const auto& [name, cluster] : clusters_) cluster->follow_endpoints();
  });
}

void Worker::tell_requests() const {
  auto tell = [seen = 0](std::string_view id) mutable {
    if (!id.empty()) crash_line("request in flight: ", id);
    return ++seen < kMaxRequests;
  };
  for (const Bound& bound : listeners_) bound.listener->each_connection(tell);
  for (const Bound& bound : leaving_) bound.listener->each_connection(tell);
}

// The end.

void Worker::set_closing_keep_alive(config::Direction direction, bool on) {
  loop_.post([this, direction, on] {
    for (Bound& bound : listeners_) {
      if (bound.listener->settings().direction == direction) {
        bound.listener->set_closing_keep_alive(on);
      }
    }
  });
}

void Worker::stop_accepting(config::Direction direction) {
  ++stops_under_way_;
  loop_.post([this, direction] {
    for (Bound& bound : listeners_) {
      if (bound.listener->settings().direction != direction) continue;
      bound.listener->set_closing_keep_alive(true);
      bound.listener->stop_accepting();
    }
    --stops_under_way_;
  });
}

void Worker::shut_down() {
  for (Bound& bound : listeners_) bound.listener->close_all();
  for (Bound& bound : leaving_) bound.listener->close_all();
  listeners_.clear();
  leaving_.clear();
  mirrors_.clear();
  scopes_.clear();
  clusters_.clear();
  probe_.disarm();
  loop_.stop();
}

void Worker::begin_stop() {
  if (!thread_.joinable() || stopping_.exchange(true)) return;
  loop_.post([this] { shut_down(); });
}

void Worker::stop() {
  begin_stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace outrigger
