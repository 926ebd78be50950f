// The one place that wires everything: configuration, shared state, workers, control loop, admin.
//
// The control loop runs on the caller's thread and does what is not a request: resolution,
// sweeps, admin, signals, reload, the order of a shutdown. Requests run on the workers' threads.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/model.h"
#include "proxy/access_log/access_log.h"
#include "proxy/admin/server.h"
#include "proxy/drain.h"
#include "proxy/exchange/events.h"
#include "proxy/exchange/live_state.h"
#include "proxy/exchange/scope.h"
#include "proxy/file_watch.h"
#include "proxy/metrics/collector.h"
#include "proxy/metrics/exchange_meter.h"
#include "proxy/net/loop.h"
#include "proxy/net/signal.h"
#include "proxy/net/timer.h"
#include "proxy/service_notify.h"
#include "proxy/upstream/cluster_state.h"
#include "proxy/upstream/discovery.h"
#include "proxy/upstream/health_checker.h"
#include "proxy/workers.h"

namespace outrigger {

class Daemon final : private net::TimerEvents, private admin::Control {
 public:
  Daemon();
  ~Daemon() override;

  // Loads, binds and starts. Empty when fine, else 1 or 2 as an exit status; why has been said on
  // stderr. With `watch`, it reloads whenever the file has been replaced or written.
  std::optional<int> start(const std::string& config_file, bool watch = false);
  // Until the end; the exit status.
  int run();
  // After run(): ending the process in the ordinary way would wait for a name server.
  bool held_up_by_resolution() const;
  // From any thread: what SIGTERM does.
  void stop();
  const config::Config& config() const { return *config_; }
  // From any thread, after start().
  exchange::LiveState live() const;
  std::string metrics_page() const { return metrics::metrics_page(*collector_); }
  std::string admin_address() const { return admin_ ? admin_->address() : ""; }

 private:
  struct BoundListener {
    std::string key;
    std::string address;
    downstream::CountersByWorker counters;
  };
  // All that a configuration needs before it can come into force, or the reasons why it cannot.
  struct Prepared {
    std::shared_ptr<const config::Config> config;
    std::vector<Workers::Orders::NewListener> new_listeners;
    std::vector<BoundListener> listeners;
    std::optional<admin::Rules> admin_rules;       // empty: admin is off
    std::optional<access_log::Output> access_log;  // what it needs that is not open yet
    std::vector<std::string> errors;
  };

  Prepared prepare(config::Config loaded) const;
  void fill_in_automatic(config::Config& loaded) const;
  void bind(const config::Listener& listener, std::size_t index, std::uint64_t workers,
            Prepared& prepared) const;
  void come_into_force(Prepared prepared);
  void remember_left_listeners(const std::vector<BoundListener>& staying);
  void start_health_checks();
  void start_discovery(const config::Config& before);
  void raise_descriptor_limit();
  std::optional<std::string> start_admin(std::optional<admin::Rules> admin_rules);
  void watch_signals();

  void on_timer(net::Timer& timer) override;
  void tick();
  void follow_file();
  std::optional<std::string> fault_refusal(const std::string& route,
                                           const config::Fault& fault) const;
  void end_faults();
  void on_stop_signal();
  void reopen_logs();
  void ignore_signals();
  void advance_drain();
  void tell_stopping(Duration delay);
  std::string serving() const;
  std::string load_anew();
  Drain::Facts drain_facts() const;

  // admin::Control
  bool alive_and_ready() override;
  std::string config_json() override;
  std::string routes_json() override;
  std::string upstreams_json() override;
  std::string events_json(std::uint64_t since) override;
  std::string metrics_text() override { return metrics_page(); }
  bool reload(std::string& report) override;
  void drain() override;
  bool cancel_drain() override;
  void quit() override;
  admin::Reply eject(const std::string& upstream, const std::string& endpoint) override;
  admin::Reply restore(const std::string& upstream, const std::string& endpoint) override;
  admin::Reply set_breaker(Scope scope, const std::string& name,
                           policy::CircuitByHand by_hand) override;
  admin::Reply set_fault(const std::string& route, std::string_view body) override;
  admin::Reply remove_fault(const std::string& route) override;
  admin::Reply set_log_level(const std::string& level) override;

  std::string config_file_;
  std::optional<FileWatch> file_watch_;
  net::Loop loop_;
  std::uint64_t seed_;
  exchange::Events events_;
  std::shared_ptr<const config::Config> config_;
  downstream::ConnectionTotal connections_;
  BufferedBytes buffered_;
  mutable std::mutex live_mutex_;  // of what live() reads: the maps below, not what they point to
  std::map<std::string, std::shared_ptr<upstream::ClusterState>> upstreams_;
  std::map<std::string, std::shared_ptr<exchange::RouteState>> routes_;
  std::vector<BoundListener> listeners_;
  std::vector<downstream::CountersByWorker> left_listeners_;
  std::map<std::string, std::unique_ptr<upstream::Discovery>> discoveries_;
  std::map<std::string, std::unique_ptr<upstream::HealthChecker>> health_checkers_;
  std::deque<metrics::ExchangeMeter> meters_;  // by worker
  access_log::AccessLog access_log_;
  std::unique_ptr<Workers> workers_;
  std::unique_ptr<metrics::Collector> collector_;
  std::unique_ptr<admin::Server> admin_;
  std::unique_ptr<admin::Server> metrics_server_;
  std::vector<std::unique_ptr<net::Signal>> signals_;
  net::Timer tick_timer_;
  bool newly_configured_ = false;  // since the last tick
  net::Timer drain_timer_;
  std::optional<Drain> drain_;
  std::optional<ServiceNotify> notify_;  // once it runs
  std::atomic<bool> draining_{false};
  std::uint64_t reloads_succeeded_ = 0, reloads_failed_ = 0;
  bool last_reload_successful_ = true;
  double last_reload_success_ = 0;
  bool stopping_ = false;
  int exit_status_ = 0;
};

}  // namespace outrigger
