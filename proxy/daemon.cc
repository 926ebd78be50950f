#include "proxy/daemon.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <random>
#include <utility>

#include "config/load.h"
#include "config/render.h"
#include "proxy/admin/pages.h"
#include "proxy/admin/token.h"
#include "proxy/base/log.h"
#include "proxy/cgroup.h"
#include "proxy/cold_pages.h"
#include "proxy/lint/lint.h"
#include "proxy/metrics/catalogue.h"

namespace outrigger {
namespace {

using exchange::EventKind;

constexpr Duration kTick = std::chrono::seconds(1);
constexpr Duration kDrainTick = std::chrono::milliseconds(20);
constexpr Duration kMarginOfStop = std::chrono::seconds(5);
constexpr std::uint32_t kDescriptorsNotForCallers = 64;
constexpr int kSignals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};

double unix_now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since_epoch).count();
}

std::int64_t unix_ms_now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
}

std::uint64_t random_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

void mask_signals(int how) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signum : kSignals) sigaddset(&set, signum);
  pthread_sigmask(how, &set, nullptr);
}

std::vector<exchange::LabelledCount> over_limits(const downstream::CountersByWorker& counters) {
  using Counters = downstream::ListenerCounters;
  return {{"max_connections", sum(counters, &Counters::over_max_connections)},
          {"system", sum(counters, &Counters::over_system)},
          {"overload.max_connections", sum(counters, &Counters::over_overload)}};
}

metrics::Catalogue catalogue_of(const config::Config& config) {
  metrics::Catalogue catalogue;
  for (const auto& upstream : config.upstreams) catalogue.upstreams.push_back(upstream.name);
  for (const auto& listener : config.listeners) {
    catalogue.listeners.push_back(listener.name);
    for (const auto& route : listener.routes) {
      const bool responds = route.fallback && route.fallback->respond;
      const bool asks = route.fallback && route.fallback->upstream;
      auto& labels = catalogue.routes.emplace_back();
      labels = {listener.name, route.name, route.upstream.value_or(""),
                responds ? "respond"
                : asks   ? *route.fallback->upstream
                         : ""};
      labels.hedges = route.hedge.has_value();
      if (!route.split) continue;
      labels.upstream = route.split->to.front().upstream;
      for (const auto& target : route.split->to) {
        labels.split.push_back(exchange::index_of_upstream(config, target.upstream));
      }
    }
  }
  return catalogue;
}

void log_warnings(const config::Config& config, const config::Places& places) {
  const auto warnings = lint::warnings(config, places, lint::surroundings());
  for (const std::string& line : lint::lines(config.file, warnings)) log::warn("{}", line);
  if (!config.node.zone.empty()) return;
  for (const config::Upstream& upstream : config.upstreams) {
    if (!upstream.load_balancer.zone_aware) continue;
    log::warn("upstream {}: zone_aware does nothing, because node.zone is empty", upstream.name);
  }
}

Result<admin::Rules, std::string> rules_of(const config::Admin& admin) {
  std::optional<std::string> token;
  if (admin.token_file) {
    token = admin::read_token(*admin.token_file);
    if (!token) return "admin.token_file " + *admin.token_file + ": no token can be read from it";
  }
  return admin::Rules(token, admin.hosts);
}

// A reload asked for through the admin server must not pull that server's socket away.
void refuse_moves(const config::Config& from, const config::Config& to,
                  std::vector<std::string>& errors) {
  const auto compare = [&errors](const char* key, const std::string& before,
                                 const std::string& after) {
    if (before == after) return;
    errors.push_back(std::string(key) + ": a change from " + before + " to " + after +
                     " takes a restart");
  };
  compare("admin.address", from.admin ? from.admin->address : "off",
          to.admin ? to.admin->address : "off");
  compare("metrics.address", from.metrics.address.value_or("off"),
          to.metrics.address.value_or("off"));
  compare("workers", std::to_string(*from.workers), std::to_string(*to.workers));
}

bool same_endpoint(const config::Endpoint& a, const config::Endpoint& b) {
  return a.address == b.address && a.weight == b.weight && a.zone == b.zone &&
         a.priority == b.priority;
}

}  // namespace

Daemon::Daemon()
    : seed_(random_seed()),
      events_(unix_ms_now),
      access_log_(seed_, unix_ms_now),
      tick_timer_(loop_, *this),
      drain_timer_(loop_, *this) {}

Daemon::~Daemon() {
  // The workers first: their clusters and listeners refer to what stands here.
  if (workers_) workers_->stop();
}

// Start.

std::optional<int> Daemon::start(const std::string& config_file, bool watch) {
  config_file_ = config_file;
  if (watch) file_watch_.emplace(config_file);
  // Until run(), for this thread and for those made now, for good.
  mask_signals(SIG_BLOCK);
  config::Places places;
  auto loaded = config::load_file(config_file, config::process_environment(), &places);
  if (!loaded) {
    std::fputs(config::to_text(config_file, loaded.error()).c_str(), stderr);
    return 2;
  }
  const config::Log& log = loaded.value().log;
  log::configure(static_cast<log::Level>(log.level), static_cast<log::Format>(log.format));
  log_warnings(loaded.value(), places);
  raise_descriptor_limit();
  Prepared prepared = prepare(std::move(loaded.value()));
  if (!prepared.errors.empty()) {
    for (const std::string& error : prepared.errors) log::error("{}", error);
    return 1;
  }
  const auto count = static_cast<std::uint32_t>(*prepared.config->workers);
  workers_ = std::make_unique<Workers>(count, seed_ + 1, connections_, buffered_);
  seed_ += count;
  std::vector<const metrics::ExchangeMeter*> meters;
  for (std::uint32_t i = 0; i < count; ++i) meters.push_back(&meters_.emplace_back());
  collector_ = std::make_unique<metrics::Collector>(std::move(meters), [this] { return live(); });
  auto rules = std::move(prepared.admin_rules);
  come_into_force(std::move(prepared));
  if (const auto error = start_admin(std::move(rules))) {
    log::error("{}", *error);
    return 1;
  }
  workers_->start();
  watch_signals();
  tick_timer_.arm(loop_.now());
  for (const BoundListener& listener : listeners_) log::info("listening on {}", listener.address);
  if (admin_) log::info("admin on {}", admin_->address());
  return std::nullopt;
}

void Daemon::raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Checks and binds all that is new; touches nothing that runs.
Daemon::Prepared Daemon::prepare(config::Config loaded) const {
  Prepared prepared;
  fill_in_automatic(loaded);
  for (std::size_t i = 0; i < loaded.listeners.size(); ++i) {
    const config::Listener& listener = loaded.listeners[i];
    const auto known = std::ranges::find(listeners_, listener_key(listener), &BoundListener::key);
    if (known == listeners_.end()) {
      bind(listener, i, *loaded.workers, prepared);
    } else {
      prepared.listeners.push_back(*known);
    }
  }
  if (loaded.admin) {
    auto rules = rules_of(*loaded.admin);
    if (rules) {
      prepared.admin_rules = std::move(rules.value());
    } else {
      prepared.errors.push_back(rules.error());
    }
  }
  auto access_log = access_log_.open(loaded.access_log);
  if (access_log) {
    prepared.access_log = std::move(access_log.value());
  } else {
    prepared.errors.push_back(access_log.error());
  }
  if (config_) refuse_moves(*config_, loaded, prepared.errors);
  prepared.config = std::make_shared<const config::Config>(std::move(loaded));
  return prepared;
}

// What the system grants stands in for `auto`, and bounds what was asked for.
void Daemon::fill_in_automatic(config::Config& loaded) const {
  if (!loaded.workers) {
    loaded.workers =
        workers_ ? workers_->count() : automatic_workers(cgroup_cpus(""), usable_cpus());
    log::info("workers: {}", *loaded.workers);
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    const auto descriptors = std::max<std::uint64_t>(limit.rlim_cur, kDescriptorsNotForCallers + 2);
    const auto bearable = static_cast<std::uint32_t>(
        std::min<std::uint64_t>((descriptors - kDescriptorsNotForCallers) / 2, UINT32_MAX));
    if (bearable < loaded.overload.max_connections) {
      log::info("overload.max_connections is {} for want of file descriptors", bearable);
      loaded.overload.max_connections = bearable;
    }
  }
  if (!loaded.overload.max_buffered_bytes) {
    const auto memory = cgroup_memory_limit("");
    loaded.overload.max_buffered_bytes = automatic_buffer_bound(memory);
    log::info("overload.max_buffered_bytes is {} ({})", *loaded.overload.max_buffered_bytes,
              memory ? "a quarter of the cgroup's memory" : "there is no limit on memory");
  }
}

// One socket a worker, of which the kernel picks by the caller's address.
void Daemon::bind(const config::Listener& listener, std::size_t index, std::uint64_t workers,
                  Prepared& prepared) const {
  const auto refuse = [&](const std::string& why) {
    prepared.errors.push_back("listener " + listener.name + ": " + why);
  };
  const auto address = net::Address::parse(listener.address);
  if (!address) return refuse(address.error());
  Workers::Orders::NewListener bound{.index = index};
  while (bound.sockets.size() < workers) {
    auto socket = bound.sockets.empty() ? net::BoundSocket::bind(address.value())
                                        : bound.sockets.front().sibling();
    if (!socket) return refuse(socket.error());
    bound.sockets.push_back(std::move(socket.value()));
  }
  prepared.listeners.push_back({listener_key(listener), bound.sockets.front().address().to_string(),
                                downstream::make_counters(bound.sockets.size())});
  prepared.new_listeners.push_back(std::move(bound));
}

void Daemon::come_into_force(Prepared prepared) {
  newly_configured_ = true;
  const auto before = config_;
  const auto& config = prepared.config;
  const metrics::Catalogue catalogue = catalogue_of(*config);
  Workers::Orders orders{.config = config};
  {
    const std::lock_guard lock(live_mutex_);
    config_ = config;
    remember_left_listeners(prepared.listeners);
    listeners_ = prepared.listeners;
    std::map<std::string, std::shared_ptr<upstream::ClusterState>> upstreams;
    for (const config::Upstream& upstream : config->upstreams) {
      auto& state = upstreams_[upstream.name];
      if (state) {
        state->configure(upstream, loop_.now());
      } else {
        state = std::make_shared<upstream::ClusterState>(upstream, ++seed_, &events_,
                                                         workers_->count());
      }
      state->set_own_zone(config->node.zone);
      upstreams[upstream.name] = state;
      orders.upstreams.push_back(state);
    }
    upstreams_ = std::move(upstreams);
    std::map<std::string, std::shared_ptr<exchange::RouteState>> routes;
    orders.snapshot = exchange::compile(config, [&](const config::Route& route) {
      auto& state = routes_[route.name];
      if (state) {
        state->configure(route);
      } else {
        state = std::make_shared<exchange::RouteState>(route, ++seed_, &events_);
      }
      return routes[route.name] = state;
    });
    routes_ = std::move(routes);
  }
  end_faults();
  connections_.max = config->overload.max_connections;
  buffered_.set_bound(*config->overload.max_buffered_bytes);
  for (const BoundListener& listener : listeners_) orders.counters.push_back(listener.counters);
  orders.new_listeners = std::move(prepared.new_listeners);
  access_log_.use(config->access_log, std::move(prepared.access_log));
  for (std::size_t i = 0; i < meters_.size(); ++i) {
    orders.observers.push_back(
        access_log_.observer_for(i, *config, meters_[i].observer_for(catalogue)));
  }
  start_health_checks();
  start_discovery(before ? *before : config::Config{});
  workers_->assign(std::move(orders));
}

// Their requests under way are still waited for at a shutdown.
void Daemon::remember_left_listeners(const std::vector<BoundListener>& staying) {
  std::erase_if(left_listeners_, [](const downstream::CountersByWorker& left) {
    return *left.front()->connections == 0;
  });
  for (const BoundListener& listener : listeners_) {
    if (std::ranges::find(staying, listener.key, &BoundListener::key) == staying.end()) {
      left_listeners_.push_back(listener.counters);
    }
  }
}

void Daemon::start_health_checks() {
  std::map<std::string, std::unique_ptr<upstream::HealthChecker>> checkers;
  for (const config::Upstream& upstream : config_->upstreams) {
    if (!upstream.health_check) continue;
    auto& running = health_checkers_[upstream.name];
    if (running) {
      running->configure(upstream);
    } else {
      running = std::make_unique<upstream::HealthChecker>(loop_, upstreams_[upstream.name],
                                                          upstream, ++seed_,
                                                          [this] { workers_->follow_endpoints(); });
    }
    checkers[upstream.name] = std::move(running);
  }
  health_checkers_ = std::move(checkers);
}

// Upstreams whose endpoints are as before keep their resolution.
void Daemon::start_discovery(const config::Config& before) {
  std::map<std::string, std::unique_ptr<upstream::Discovery>> discoveries;
  for (const config::Upstream& upstream : config_->upstreams) {
    const auto same = std::ranges::find_if(before.upstreams, [&](const config::Upstream& old) {
      return old.name == upstream.name &&
             std::ranges::equal(old.endpoints, upstream.endpoints, same_endpoint);
    });
    auto& running = discoveries_[upstream.name];
    discoveries[upstream.name] =
        same != before.upstreams.end() && running
            ? std::move(running)
            : std::make_unique<upstream::Discovery>(loop_, upstreams_[upstream.name], upstream,
                                                    ++seed_, running.get());
  }
  discoveries_ = std::move(discoveries);
}

std::optional<std::string> Daemon::start_admin(std::optional<admin::Rules> admin_rules) {
  admin::Control& control = *this;
  const auto serve = [this, &control](
                         const std::string& text, admin::Rules rules, admin::Server::Serves serves,
                         std::unique_ptr<admin::Server>& server) -> std::optional<std::string> {
    const auto address = net::Address::parse(text);
    if (!address) return "admin " + text + ": " + address.error();
    auto socket = net::BoundSocket::bind(address.value());
    if (!socket) return "admin " + text + ": " + socket.error();
    server = std::make_unique<admin::Server>(loop_, std::move(socket.value()), std::move(rules),
                                             control, serves);
    return std::nullopt;
  };
  if (config_->admin) {
    if (auto error = serve(config_->admin->address, std::move(*admin_rules),
                           admin::Server::Serves::Everything, admin_)) {
      return error;
    }
  }
  if (!config_->metrics.address) return std::nullopt;
  return serve(*config_->metrics.address, admin::Rules::metrics_only(),
               admin::Server::Serves::MetricsOnly, metrics_server_);
}

// Signals and time.

void Daemon::watch_signals() {
  const auto watch = [this](int signum, std::function<void()> then) {
    signals_.push_back(std::make_unique<net::Signal>(loop_, signum, std::move(then)));
  };
  watch(SIGTERM, [this] { on_stop_signal(); });
  watch(SIGINT, [this] { on_stop_signal(); });
  watch(SIGHUP, [this] {
    std::string report;
    reload(report);
  });
  watch(SIGUSR1, [this] { reopen_logs(); });
  watch(SIGUSR2,
        [] { log::warn("SIGUSR2: handing over sockets is not supported by this version"); });
}

int Daemon::run() {
  const CrashStack crash_stack;
  report_crashes(workers_.get());
  mask_signals(SIG_UNBLOCK);
  const char* notify_socket = std::getenv("NOTIFY_SOCKET");
  notify_.emplace(notify_socket ? notify_socket : "");
  notify_->ready(serving());
  loop_.run();
  ignore_signals();
  workers_->stop();
  access_log_.stop();
  report_crashes(nullptr);
  return exit_status_;
}

// One that comes now, as when a pod ends a sidecar that was told to quit, is obeyed already: it
// must not turn a clean end into a death by signal.
void Daemon::ignore_signals() {
  mask_signals(SIG_BLOCK);  // while libuv takes its handlers away
  signals_.clear();
  for (const int signum : kSignals) std::signal(signum, SIG_IGN);
}

bool Daemon::held_up_by_resolution() const {
  return std::ranges::any_of(discoveries_,
                             [](const auto& each) { return each.second->resolving(); });
}

void Daemon::stop() {
  loop_.post([this] { drain(); });
}

void Daemon::on_stop_signal() {
  if (stopping_) {
    log::warn("second signal: exiting at once");
    exit_status_ = 1;
    return loop_.stop();
  }
  stopping_ = true;
  drain();
  if (drain_->phase() == Drain::Phase::Delay) tell_stopping(config_->shutdown.delay);
}

void Daemon::reopen_logs() {
  if (!access_log_.on()) return log::info("SIGUSR1: there is no log file to reopen");
  if (const auto error = access_log_.reopen()) {
    return log::error("{}; what was open before stays", *error);
  }
  log::info("access log reopened");
}

void Daemon::on_timer(net::Timer& timer) {
  if (&timer == &tick_timer_) return tick();
  advance_drain();
}

void Daemon::tick() {
  const auto now = loop_.now();
  workers_->measure_lag();
  for (const auto& upstream : config_->upstreams) {
    if (upstream.outlier_detection) upstreams_[upstream.name]->sweep_if_due(now);
    upstreams_[upstream.name]->report_panic();
  }
  end_faults();
  notify_->again();
  if (std::exchange(newly_configured_, false)) give_back_cold_pages();
  follow_file();
  tick_timer_.arm(now + kTick);
}

// While it drains nothing is reloaded; what has changed then is seen when that is taken back.
void Daemon::follow_file() {
  if (!file_watch_ || (drain_ && drain_->draining()) || !file_watch_->has_changed()) return;
  log::info("{} has changed", config_file_);
  std::string report;
  reload(report);
}

// Shutdown.

// Whoever is told this ends the process when the time is over, even where the drain was taken back
// by then. So an order that may be taken back is no reason to say it.
void Daemon::tell_stopping(Duration delay) {
  notify_->stopping(delay + config_->shutdown.drain_timeout + kMarginOfStop, "Draining");
}

std::string Daemon::serving() const {
  std::string text = "Serving at";
  for (const BoundListener& listener : listeners_) {
    text += (&listener == &listeners_.front() ? " " : ", ") + listener.address;
  }
  return text;
}

void Daemon::drain() {
  if (drain_ && drain_->draining()) return;
  const bool has_inbound = std::ranges::any_of(config_->listeners, [](const auto& listener) {
    return listener.direction == config::Direction::Inbound;
  });
  log::info("draining");
  events_.add({.kind = EventKind::Drain, .to = "draining"});
  drain_.emplace(config_->shutdown, has_inbound);
  drain_->begin(loop_.now());
  draining_ = true;
  notify_->status("Draining");
  if (has_inbound) workers_->set_closing_keep_alive(config::Direction::Inbound, true);
  advance_drain();
}

bool Daemon::cancel_drain() {
  if (!drain_) return true;
  if (!drain_->cancel()) return false;
  draining_ = false;
  workers_->set_closing_keep_alive(config::Direction::Inbound, false);
  events_.add({.kind = EventKind::Drain, .to = "serving", .cause = "cancelled", .by_hand = true});
  drain_timer_.disarm();
  stopping_ = false;
  notify_->status(serving());
  return true;
}

void Daemon::quit() {
  exit_status_ = 0;
  // After the answer has gone out.
  drain_.emplace(
      config::Shutdown{
          .delay = {}, .drain_timeout = {}, .outbound = config::OutboundDrain::Immediate},
      false);
  drain_->begin(loop_.now());
  draining_ = true;
  drain_timer_.arm(loop_.now() + kDrainTick);
}

Drain::Facts Daemon::drain_facts() const {
  Drain::Facts facts{.closing = !workers_->stopped_accepting()};
  for (const auto& left : left_listeners_) {
    facts.outbound_busy += sum(left, &downstream::ListenerCounters::requests);
  }
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    const auto& counters = listeners_[i].counters;
    const auto busy = sum(counters, &downstream::ListenerCounters::requests);
    if (config_->listeners[i].direction == config::Direction::Inbound) {
      facts.inbound_busy += busy;
    } else {
      facts.outbound_busy += busy;
      facts.outbound_open += *counters.front()->connections;
    }
  }
  return facts;
}

void Daemon::advance_drain() {
  const auto before = drain_->phase();
  const auto now_in = drain_->step(drain_facts(), loop_.now());
  if (now_in != before && before <= Drain::Phase::Delay) {
    tell_stopping(Duration::zero());
    workers_->stop_accepting(config::Direction::Inbound);
  }
  if (now_in != before && now_in >= Drain::Phase::Outbound && before < Drain::Phase::Outbound) {
    workers_->stop_accepting(config::Direction::Outbound);
  }
  if (now_in == Drain::Phase::Done) {
    log::info("drained");
    return loop_.stop();
  }
  drain_timer_.arm(loop_.now() + kDrainTick);
}

// Admin::Control.

bool Daemon::alive_and_ready() {
  if (drain_ && drain_->draining()) return false;
  const auto resolved = [](const auto& each) { return each.second->first_round_done(); };
  if (!std::ranges::all_of(discoveries_, resolved)) return false;
  return std::ranges::all_of(config_->ready.upstreams, [this](const std::string& name) {
    const auto state = upstreams_.find(name);
    return state != upstreams_.end() && state->second->usable(loop_.now());
  });
}

std::string Daemon::config_json() {
  return config::to_json(*config_);
}
std::string Daemon::routes_json() {
  return admin::routes_json(*config_, live());
}
std::string Daemon::upstreams_json() {
  return admin::upstreams_json(live());
}

std::string Daemon::events_json(std::uint64_t since) {
  return admin::events_json(events_, since);
}

bool Daemon::reload(std::string& report) {
  const auto refuse = [this, &report](std::string why) {
    report = std::move(why);
    const std::lock_guard lock(live_mutex_);
    ++reloads_failed_;
    last_reload_successful_ = false;
    log::error("reload refused, the running configuration stays:\n{}", report);
    events_.add({.kind = EventKind::Reload, .to = "refused", .cause = report});
    return false;
  };
  if (drain_ && drain_->draining()) return refuse("draining: nothing is reloaded any more");
  if (file_watch_) file_watch_->accept();
  notify_->reloading(loop_.now());
  if (std::string why = load_anew(); !why.empty()) {
    refuse(std::move(why));
    notify_->ready("Reload refused, the running configuration stays: " + report);
    return false;
  }
  {
    const std::lock_guard lock(live_mutex_);
    ++reloads_succeeded_;
    last_reload_successful_ = true;
    last_reload_success_ = unix_now();
  }
  report = "reloaded";
  log::info("configuration reloaded");
  events_.add({.kind = EventKind::Reload, .to = "in-force"});
  notify_->ready(serving());
  return true;
}

// Empty where what the file says is in force now, else why it is not.
std::string Daemon::load_anew() {
  config::Places places;
  auto loaded = config::load_file(config_file_, config::process_environment(), &places);
  if (!loaded) return config::to_text(config_file_, loaded.error());
  log_warnings(loaded.value(), places);
  Prepared prepared = prepare(std::move(loaded.value()));
  if (!prepared.errors.empty()) {
    std::string all;
    for (const std::string& error : prepared.errors) all += error + "\n";
    return all;
  }
  const config::Log& log = prepared.config->log;
  log::configure(static_cast<log::Level>(log.level), static_cast<log::Format>(log.format));
  if (admin_) admin_->set_rules(std::move(*prepared.admin_rules));
  come_into_force(std::move(prepared));
  return "";
}

exchange::LiveState Daemon::live() const {
  const std::lock_guard lock(live_mutex_);
  timespec clock{};
  clock_gettime(CLOCK_MONOTONIC, &clock);
  const TimePoint now{std::chrono::seconds(clock.tv_sec) + Duration(clock.tv_nsec)};
  exchange::LiveState live;
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    using Counters = downstream::ListenerCounters;
    const auto& counters = listeners_[i].counters;
    live.listeners.push_back(
        {.name = config_->listeners[i].name,
         .address = listeners_[i].address,
         .connections = *counters.front()->connections,
         .bytes_in = sum(counters, &Counters::bytes_in),
         .bytes_out = sum(counters, &Counters::bytes_out),
         .overflows = over_limits(counters),
         .timeouts = {{"head", sum(counters, &Counters::head_timeouts)},
                      {"keepalive", sum(counters, &Counters::keepalive_timeouts)}}});
    for (const config::Route& route : config_->listeners[i].routes) {
      exchange::RouteLive& made = live.routes.emplace_back(routes_.at(route.name)->live(now));
      made.name = route.name;
      if (const auto fault = routes_.at(route.name)->faults().current(unix_ms_now() / 1000)) {
        made.fault = fault->settings();
        made.fault_at_run_time = fault->at_run_time();
      }
      made.listener = config_->listeners[i].name;
    }
  }
  for (const auto& upstream : config_->upstreams) {
    live.upstreams.push_back(upstreams_.at(upstream.name)->live(now));
    live.upstreams.back().resolves_names =
        std::ranges::any_of(upstream.endpoints, [](const config::Endpoint& endpoint) {
          const auto address = net::Address::parse(endpoint.address);
          return address && address.value().kind() == net::Address::Kind::Host;
        });
  }
  live.event_loop_lag_seconds = workers_ ? workers_->lag_seconds() : 0;
  live.buffered_bytes = buffered_.value();
  live.buffered_bytes_limit = buffered_.bound();
  live.draining = draining_;
  live.endpoint_labels = config_->metrics.endpoint_labels;
  live.access_log_dropped = access_log_.dropped();
  live.reloads_succeeded = reloads_succeeded_;
  live.reloads_failed = reloads_failed_;
  live.last_reload_successful = last_reload_successful_;
  live.last_reload_success_timestamp = last_reload_success_;
  return live;
}

}  // namespace outrigger
