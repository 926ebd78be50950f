#include "proxy/upstream/cluster.h"

#include "proxy/base/check.h"

namespace outrigger::upstream {
namespace {

constexpr Duration kPercentileKept = std::chrono::milliseconds(100);

}  // namespace

Cluster::Cluster(std::shared_ptr<ClusterState> state, const config::Upstream& settings,
                 ConnectionFactory& factory, exchange::Scheduler& scheduler, Random& random)
    : Member(scheduler),
      state_(std::move(state)),
      settings_(settings),
      scheduler_(scheduler),
      pool_(*state_, factory, scheduler, random) {
  pool_.configure(settings_);
  state_->join(*this);
}

Cluster::~Cluster() {
  INVARIANT(quiet());
  state_->leave(*this);
}

void Cluster::configure(const config::Upstream& settings) {
  settings_ = settings;
}

exchange::StartResult Cluster::start(const exchange::TryRequest& request,
                                     exchange::AttemptEvents& events) {
  Attempt* attempt = spare_.take(*this).release();
  ++attempts_out_;
  exchange::StartResult result;
  result.attempt.reset(attempt);
  result.start = attempt->start(request, events);
  if (result.start == exchange::Start::Refused) {
    result.refusal = attempt->refusal_of_start();
    result.attempt.reset();
  }
  return result;
}

void Cluster::recycle(Attempt& attempt) {
  --attempts_out_;
  spare_.keep(std::unique_ptr<Attempt>(&attempt));
}

bool Cluster::other_endpoint_usable(std::span<const std::uint32_t> tried) {
  return state_->other_endpoint_usable(tried, scheduler_.now());
}

bool Cluster::breaker_refuses() {
  return state_->breaker_refuses(scheduler_.now());
}

std::optional<Duration> Cluster::latency_percentile(std::uint32_t percentile) {
  const auto now = scheduler_.now();
  Percentile& kept = percentiles_[percentile];
  if (!kept.value || now >= kept.until) {
    kept = {state_->latency_percentile(percentile, now), now + kPercentileKept};
  }
  return kept.value;
}

bool Cluster::withdraw_retry() {
  return state_->withdraw_retry(scheduler_.now());
}

void Cluster::refund_retry() {
  state_->refund_retry(scheduler_.now());
}

}  // namespace outrigger::upstream
