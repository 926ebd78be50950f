// One upstream as one worker's exchanges see it: the shared state, this worker's connections, and
// its pool of attempts.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "proxy/base/pool.h"
#include "proxy/exchange/ports.h"
#include "proxy/upstream/attempt.h"
#include "proxy/upstream/cluster_state.h"
#include "proxy/upstream/connection_pool.h"

namespace outrigger::upstream {

class Cluster final : public exchange::Upstream, private ClusterState::Member {
 public:
  // `factory`, `scheduler`, `random` outlive it, and it outlives its attempts.
  Cluster(std::shared_ptr<ClusterState> state, const config::Upstream& settings,
          ConnectionFactory& factory, exchange::Scheduler& scheduler, Random& random);
  ~Cluster() override;

  void configure(const config::Upstream& settings);

  exchange::StartResult start(const exchange::TryRequest& request,
                              exchange::AttemptEvents& events) override;
  bool other_endpoint_usable(std::span<const std::uint32_t> tried) override;
  bool breaker_refuses() override;
  std::optional<Duration> latency_percentile(std::uint32_t percentile) override;
  bool withdraw_retry() override;
  void refund_retry() override;

  void drop_idle() { pool_.close_idle(); }
  // The set of endpoints or their health may have changed: room may have appeared without a try's
  // end, and idle connections may be unwanted. To be called often.
  void follow_endpoints() {
    pool_.follow_endpoints();
    state_->serve_queue(scheduler_.worker(), scheduler_.now());
  }
  // No attempt is under way (its connections may be idle).
  bool quiet() const { return attempts_out_ == 0; }

  // For its attempts.
  ClusterState& state() { return *state_; }
  ConnectionPool& pool() { return pool_; }
  exchange::Scheduler& scheduler() { return scheduler_; }
  void recycle(Attempt& attempt);

  // Of its attempts.
  void trim(std::size_t most) { spare_.trim(most); }

 private:
  static constexpr std::size_t kMostSpare = 1024;

  void close_idle_for_others() override { pool_.close_idle_for_others(); }

  std::shared_ptr<ClusterState> state_;
  config::Upstream settings_;
  exchange::Scheduler& scheduler_;
  ConnectionPool pool_;
  Pool<Attempt, kMostSpare> spare_;
  std::size_t attempts_out_ = 0;
  // Looking a percentile up costs a pass over the histogram, so that each is kept for a moment.
  struct Percentile {
    std::optional<Duration> value;
    TimePoint until{};
  };
  std::array<Percentile, 100> percentiles_;
};

}  // namespace outrigger::upstream
