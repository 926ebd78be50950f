// One event loop that serves requests, on a thread of its own: listeners, clusters, and what an
// exchange needs of them. Nothing of a request ever leaves its worker.
//
// The control thread talks to it by posting; it never waits for the control thread. Workers talk to
// one another only through what they share of an upstream or a route: a place that comes free on
// one may be a task for another. Such a task goes into the other's inbox, under locks, and the
// other is woken after them.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "proxy/crash_report.h"
#include "proxy/downstream/listener.h"
#include "proxy/exchange/mirror.h"
#include "proxy/exchange/scope.h"
#include "proxy/metrics/exchange_meter.h"
#include "proxy/net/deferred.h"
#include "proxy/net/loop.h"
#include "proxy/net/timer.h"
#include "proxy/policy/loop_lag.h"
#include "proxy/upstream/cluster.h"
#include "proxy/upstream/http1_connection.h"

namespace outrigger {

// A configuration that comes into force on a worker, with what it needs besides.
struct Assignment {
  std::shared_ptr<const exchange::Snapshot> snapshot;
  std::vector<std::shared_ptr<upstream::ClusterState>> upstreams;  // in the configuration's order
  std::unique_ptr<exchange::Observer> observer;
  std::shared_ptr<const config::Config> config;
  struct NewListener {
    std::size_t index;  // into the configuration's listeners
    net::BoundSocket socket;
  };
  std::vector<NewListener> new_listeners;
  std::vector<std::shared_ptr<downstream::ListenerCounters>> counters;  // by listener
};

class Worker final : public CrashWitness,
                     private exchange::Scheduler,
                     private exchange::LoadMeter,
                     private net::Deferred,
                     private net::TimerEvents {
 public:
  // `index`: which of the workers, from 0. `connections`, `buffered` are of all workers and outlive
  // it. Workers that share anything are stopped, all of them, before the first is destroyed.
  Worker(std::uint32_t index, std::uint64_t seed, downstream::ConnectionTotal& connections,
         BufferedBytes& buffered);
  ~Worker() override;

  // From the control thread.
  void start();  // its thread
  void assign(Assignment assignment);
  void set_closing_keep_alive(config::Direction direction, bool on);
  void stop_accepting(config::Direction direction);
  // What stop_accepting() asked for has been done.
  bool stopped_accepting() const { return stops_under_way_ == 0; }
  // Closes everything, now, and ends the thread: asks for it, and waits.
  void begin_stop();
  void stop();
  // The lag of its loop as requests are shed by it; where there are none, by how much a posted task
  // came late.
  double lag_seconds() const { return lag_seconds_.load(std::memory_order_relaxed); }
  void measure_lag();
  void tell_requests() const override;
  // At once what measure_lag() does now and then: endpoints have become healthy or unhealthy.
  void follow_endpoints();

 private:
  struct WorkerScope : exchange::Scope {
    std::vector<std::shared_ptr<upstream::Cluster>> clusters;
  };
  struct Bound {
    std::string key;  // name and configured address
    std::unique_ptr<downstream::Listener> listener;
  };

  TimePoint read_clock() override { return loop_.now(); }
  std::int64_t unix_seconds() override;
  void soon(exchange::Task& task) override;
  void cancel(exchange::Task& task) override;
  std::uint32_t worker() const override { return index_; }
  policy::Load load(TimePoint now) override;
  void on_timer(net::Timer& probe) override;
  void send_probe(TimePoint now);
  void trim();
  void run_deferred() override;
  void take_inbox();

  void apply(Assignment& assignment);
  void serve_those_who_wait(const exchange::Snapshot& snapshot);
  void bind_listeners(Assignment& assignment, WorkerScope& scope);
  void forget_old_scopes();
  void shut_down();

  static thread_local Worker* current_;  // whose thread this is; null: nobody's

  const std::uint32_t index_;
  net::Loop loop_;
  exchange::TaskList tasks_;
  std::vector<Worker*> to_wake_;  // got tasks from this one
  std::mutex inbox_mutex_;
  exchange::TaskList inbox_;  // from other workers, who wake this one
  Random random_;
  downstream::ConnectionTotal& connections_;
  BufferedBytes& buffered_;
  policy::LoopLag lag_;
  net::Timer probe_;  // armed while there are requests
  TimePoint last_request_{};
  net::Timer trim_;  // armed while there are requests, or more spare ones than are kept for long
  downstream::Pools pools_;
  upstream::Http1ConnectionFactory factory_;
  std::map<std::string, std::shared_ptr<upstream::Cluster>> clusters_;
  std::list<WorkerScope> scopes_;  // the newest last
  exchange::Mirrors mirrors_;      // of requests of these scopes
  std::vector<Bound> listeners_;
  std::vector<Bound> leaving_;  // no longer configured, until their connections have ended
  std::atomic<double> lag_seconds_{0};
  std::atomic<int> stops_under_way_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// What makes a listener the same one over a reload.
std::string listener_key(const config::Listener& listener);

}  // namespace outrigger
