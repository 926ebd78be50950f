#include "proxy/upstream/cluster_state.h"

#include <algorithm>

#include "proxy/base/check.h"
#include "proxy/exchange/breaker_report.h"

namespace outrigger::upstream {
namespace {

std::uint32_t queue_of(const std::optional<config::AdaptiveConcurrency>& settings) {
  return settings ? settings->queue : 0;
}

using exchange::FailureKind;
using exchange::LimitKind;
using policy::TryOutcome;
using policy::Verdict;

bool contains(std::span<const std::uint32_t> slots, std::uint32_t slot) {
  return std::ranges::find(slots, slot) != slots.end();
}

std::size_t bucket_of(Duration d) {
  const double value = seconds(d);
  std::size_t i = 0;
  while (i < exchange::kBucketBounds.size() && value > exchange::kBucketBounds[i]) ++i;
  return i;
}

}  // namespace

ClusterState::ClusterState(const config::Upstream& settings, std::uint64_t seed,
                           exchange::Events* events, std::uint32_t workers)
    : name_(settings.name),
      events_(events),
      settings_(settings),
      limit_(settings.limits.max_requests, settings.limits.max_connections),
      queue_(settings.limits.max_pending, workers),
      adaptive_(settings.adaptive_concurrency),
      line_(queue_of(settings.adaptive_concurrency)),
      breaker_(seed),
      choice_(settings.load_balancer, Random(seed + 1)),
      budget_(settings.retry_budget) {
  breaker_.configure(settings.circuit_breaker);
  if (settings.outlier_detection) ejection_.emplace(*settings.outlier_detection);
}

ClusterState::~ClusterState() {
  INVARIANT(members_.empty());
}

void ClusterState::join(Member& member) {
  const std::lock_guard lock(mutex_);
  members_.push_back(&member);
}

void ClusterState::leave(Member& member) {
  {
    const std::lock_guard lock(mutex_);
    std::erase(members_, &member);
  }
  member.scheduler_.cancel(member);
}

void ClusterState::configure(const config::Upstream& settings, TimePoint now) {
  std::unique_lock lock(mutex_);
  now = latest_locked(now);
  settings_ = settings;
  limit_.configure(settings.limits.max_requests, settings.limits.max_connections);
  queue_.configure(settings.limits.max_pending);
  adaptive_.configure(settings.adaptive_concurrency);
  line_.configure(queue_of(settings.adaptive_concurrency));
  choice_.configure(settings.load_balancer);
  budget_.configure(settings.retry_budget);
  breaker_.configure(settings.circuit_breaker);
  if (!settings.outlier_detection) {
    ejection_.reset();
  } else if (ejection_) {
    ejection_->configure(*settings.outlier_detection);
  } else {
    ejection_.emplace(*settings.outlier_detection);
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
      const Slot& slot = slots_[i];
      if (slot.endpoint && !slot.departing && !slot.by_hand) watch_locked(i, now);
    }
  }
  if (!settings.health_check) forget_health_locked();
  for (std::uint32_t i = 0; i < slots_.size(); ++i) update_selectable_locked(i);
  serve_awaiting_locked();
  lock.unlock();
  rebuild_tables();
}

// Admission.

ClusterState::Admission ClusterState::admit(Waiter& waiter, bool may_queue, TimePoint now) {
  Admission admission;
  policy::OptionalBreaker::Changes changes;
  {
    const std::lock_guard lock(mutex_);
    admission = admit_or_queue_locked(waiter, may_queue, latest_locked(now));
    changes = breaker_.take_untold();
  }
  exchange::report(changes, kScope, name_, events_);
  return admission;
}

ClusterState::Admission ClusterState::admit_or_queue_locked(Waiter& waiter, bool may_queue,
                                                            TimePoint now) {
  waiter.done = false;
  waiter.ticket = {};
  waiter.refusal = {};
  const auto refused = [&](Refusal refusal) {
    waiter.refusal = refusal;
    return Admission::Refused;
  };
  // Asked before queueing, so that nobody waits for a place only to be refused.
  if (breaker_ && breaker_->would_refuse(now)) {
    breaker_->admit(now);  // counts the rejection
    return refused({.kind = FailureKind::CircuitOpen, .retry_after = breaker_->retry_after(now)});
  }
  // A reload may have made room that nobody's end did.
  if (adaptive_.has_room() && line_.size() > 0) serve_queue_locked(waiter.worker, now);
  const bool behind_line = adaptive_.on() && line_.size() > 0;
  if (!adaptive_.has_room() || behind_line) return join_line_locked(waiter, may_queue, now);
  if (queue_.size() == 0 && line_.size() == 0 && admit_locked(waiter, now)) {
    return waiter.refusal.kind == FailureKind::None ? Admission::Granted : Admission::Refused;
  }
  if (!may_queue || settings_.limits.max_pending == 0) {
    return refused({.kind = FailureKind::Overflow, .limit = limit_hit_locked()});
  }
  waiter.since = now;
  if (!queue_.push(waiter, waiter.worker)) {
    return refused({.kind = FailureKind::Overflow, .limit = LimitKind::MaxPending});
  }
  return Admission::Queued;
}

// Beyond the adaptive limit. Who is displaced by somebody more critical hears of it as if his turn
// had come.
ClusterState::Admission ClusterState::join_line_locked(Waiter& waiter, bool may_queue,
                                                       TimePoint now) {
  static constexpr Refusal kBeyond{.kind = FailureKind::Overflow,
                                   .limit = LimitKind::AdaptiveConcurrency};
  waiter.since = now;
  const auto pushed = may_queue ? line_.push(waiter, waiter.criticality, waiter.deadline)
                                : policy::UrgencyQueue::Pushed{};
  if (pushed.displaced) {
    auto& displaced = static_cast<Waiter&>(*pushed.displaced);
    displaced.refusal = kBeyond;
    displaced.done = true;
    displaced.scheduler->soon(displaced);
  }
  if (pushed.joined) return Admission::Queued;
  waiter.refusal = kBeyond;
  return Admission::Refused;
}

void ClusterState::leave_adaptive_locked(Ticket& ticket) {
  if (!ticket.counted) return;
  ticket.counted = false;
  adaptive_.release();
}

exchange::LimitKind ClusterState::limit_hit_locked() const {
  const auto& limits = settings_.limits;
  if (limit_.requests() >= limits.max_requests) return LimitKind::MaxRequests;
  if (limit_.connections() >= limits.max_connections) return LimitKind::MaxConnections;
  return limits.max_requests_per_endpoint ? LimitKind::MaxRequestsPerEndpoint
                                          : LimitKind::MaxConnectionsPerEndpoint;
}

// Fills the waiter's ticket or refusal and answers true, or false where there is no place now.
bool ClusterState::admit_locked(Waiter& waiter, TimePoint now) {
  if (!adaptive_.has_room() || !limit_.try_acquire()) return false;
  policy::CircuitPermit circuit{.granted = true};
  if (breaker_) {
    circuit = breaker_->admit(now, waiter.deadline);
    if (!circuit.granted) {
      limit_.release();
      waiter.refusal = {.kind = FailureKind::CircuitOpen,
                        .retry_after = breaker_->retry_after(now)};
      return true;
    }
  }
  waiter.ticket.circuit = circuit;
  advance_locked(now);
  const Pick pick = pick_locked(waiter, now);
  if (pick == Pick::Found) return true;
  if (breaker_) breaker_->record(circuit, Verdict::Uncounted, now);
  limit_.release();
  waiter.ticket = {};
  if (pick == Pick::AllAtLimit) return false;
  const bool unresolved = endpoints_ == 0 && !resolution_error_.empty();
  waiter.refusal = {.kind = unresolved ? FailureKind::DnsFailure : FailureKind::NoHealthyUpstream};
  return true;
}

ClusterState::Pick ClusterState::pick_locked(Waiter& waiter, TimePoint now) {
  const auto avoid =
      waiter.prefer_untried || waiter.elsewhere ? waiter.tried : decltype(waiter.tried){};
  if (const auto probation = probation_for_locked(waiter, false, now)) {
    take_slot_locked(waiter, *probation, true, now);
    return Pick::Found;
  }
  if (const auto chosen = choice_.choose(now, avoid, waiter.elsewhere, waiter.hash)) {
    take_slot_locked(waiter, *chosen, false, now);
    return Pick::Found;
  }
  // Better than an answer of our own, even for a request sent only once.
  if (const auto probation = probation_for_locked(waiter, true, now)) {
    take_slot_locked(waiter, *probation, true, now);
    return Pick::Found;
  }
  if (waiter.elsewhere) return Pick::None;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const bool there = in_service_locked(i) && choice_.healthy(i);
    if (there && at_limit_locked(slots_[i])) return Pick::AllAtLimit;
  }
  return Pick::None;
}

// The first place that this request may take. `last_resort`: or it is not sent at all.
std::optional<std::uint32_t> ClusterState::probation_for_locked(const Waiter& waiter,
                                                                bool last_resort,
                                                                TimePoint now) const {
  if (!ejection_) return std::nullopt;
  for (const auto& place : ejection_->free_places()) {
    const Slot& slot = slots_[place.slot];
    if (at_limit_locked(slot) || !choice_.healthy(place.slot)) continue;
    const bool tried = contains(waiter.tried, place.slot);
    if (last_resort && !(tried && waiter.elsewhere)) return place.slot;
    if (place.due > now) break;
    const bool willing = waiter.repeatable || now - slot.on_probation_since >= kProbationPatience;
    if (!tried && willing && slot.draining_until == TimePoint{}) return place.slot;
  }
  return std::nullopt;
}

void ClusterState::take_slot_locked(Waiter& waiter, std::uint32_t index, bool probation,
                                    TimePoint now) {
  Slot& slot = slots_[index];
  if (probation) INVARIANT(ejection_->take_probation(index));
  ++slot.requests;
  ++slot.connections;
  ++slot.tries;
  tries_begun.fetch_add(1, std::memory_order_relaxed);
  choice_.on_start(index, now);
  adaptive_.acquire();
  if (waiter.first_try) budget_.deposit(now);
  update_limited_locked(index);
  Ticket& ticket = waiter.ticket;
  ticket.slot = index;
  ticket.endpoint = slot.endpoint.get();
  ticket.counted = true;
  ticket.probation = probation;
  ticket.tried_before = contains(waiter.tried, index);
  ticket.worker = waiter.worker;
}

bool ClusterState::at_limit_locked(const Slot& slot) const {
  const auto& limits = settings_.limits;
  return (limits.max_requests_per_endpoint && slot.requests >= *limits.max_requests_per_endpoint) ||
         (limits.max_connections_per_endpoint &&
          slot.connections >= *limits.max_connections_per_endpoint);
}

bool ClusterState::selectable_locked(std::uint32_t index) const {
  const Slot& slot = slots_[index];
  return in_service_locked(index) && !at_limit_locked(slot);
}

// Takes ordinary traffic, as far as its limits go.
bool ClusterState::in_service_locked(std::uint32_t index) const {
  const Slot& slot = slots_[index];
  return slot.endpoint && !slot.departing && !slot.by_hand && slot.draining_until == TimePoint{} &&
         (!ejection_ || ejection_->state(index) == policy::OutlierEjection::State::Healthy);
}

void ClusterState::update_selectable_locked(std::uint32_t index) {
  if (!slots_[index].endpoint) return;
  choice_.set_in_service(index, in_service_locked(index));
  choice_.set_selectable(index, selectable_locked(index));
}

// Not the last one that could be asked: its listener may be closed while its Service's address
// leads to a sibling.
void ClusterState::pause_draining_locked(std::uint32_t index, TimePoint now) {
  const std::uint32_t others = choice_.selectable() - (choice_.selectable(index) ? 1 : 0);
  if (others == 0) return;
  slots_[index].draining_until = saturating_add(now, kDrainingPause);
  pauses_end_ = std::min(pauses_end_, slots_[index].draining_until);
}

void ClusterState::advance_locked(TimePoint now) {
  if (now >= pauses_end_) {
    pauses_end_ = kNever;
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
      TimePoint& until = slots_[i].draining_until;
      if (until == TimePoint{}) continue;
      if (now >= until) {
        until = {};
        update_selectable_locked(i);
      } else {
        pauses_end_ = std::min(pauses_end_, until);
      }
    }
  }
  if (!ejection_ || now < ejection_->next_return()) return;
  ejection_->advance(now, [this, now](std::uint32_t slot) {
    slots_[slot].on_probation_since = now;
    update_selectable_locked(slot);
  });
}

void ClusterState::serve_queue_locked(std::uint32_t worker, TimePoint now) {
  while (policy::PendingNode* next = queue_.size() > 0 ? queue_.next(worker) : line_.first()) {
    auto& waiter = static_cast<Waiter&>(*next);
    if (!admit_locked(waiter, now)) return;
    queue_.remove(waiter);
    line_.remove(waiter);
    const Duration waited = now - waiter.since;
    ++pending_duration_.buckets[bucket_of(waited)];
    pending_duration_.sum += seconds(waited);
    waiter.done = true;
    waiter.scheduler->soon(waiter);
  }
}

void ClusterState::leave_queue(Waiter& waiter, TimePoint now) {
  {
    const std::lock_guard lock(mutex_);
    queue_.remove(waiter);
    line_.remove(waiter);
    if (!waiter.done || waiter.refusal.kind != FailureKind::None) return;
  }
  waiter.done = false;
  settle(waiter.ticket, {.outcome = TryOutcome::Abandoned}, {}, now);
  finish(waiter.ticket, {}, false, now);
}

// What a plan asks.

bool ClusterState::other_endpoint_usable(std::span<const std::uint32_t> tried, TimePoint now) {
  const std::lock_guard lock(mutex_);
  advance_locked(latest_locked(now));
  std::uint32_t usable = choice_.selectable();
  for (std::size_t i = 0; i < tried.size(); ++i) {
    const auto slot = tried[i];
    const bool again = contains(tried.first(i), slot);
    if (!again && choice_.selectable(slot)) --usable;
  }
  return usable > 0;
}

bool ClusterState::breaker_refuses(TimePoint now) {
  const std::lock_guard lock(mutex_);
  return breaker_ && breaker_->would_refuse(latest_locked(now));
}

bool ClusterState::withdraw_retry(TimePoint now) {
  const std::lock_guard lock(mutex_);
  return budget_.withdraw(latest_locked(now));
}

void ClusterState::refund_retry(TimePoint now) {
  const std::lock_guard lock(mutex_);
  budget_.refund(latest_locked(now));
}

std::optional<Duration> ClusterState::latency_percentile(std::uint32_t percentile, TimePoint now) {
  const std::lock_guard lock(mutex_);
  now = latest_locked(now);
  // At least one sample is to lie beyond it: 20 for p95, 100 for p99.
  if (latency_.count(now) * (100 - percentile) < 100) return std::nullopt;
  return latency_.quantile(percentile / 100.0, now);
}

bool ClusterState::usable(TimePoint now) {
  const std::lock_guard lock(mutex_);
  return usable_locked(latest_locked(now));
}

bool ClusterState::usable_locked(TimePoint now) {
  advance_locked(now);
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].endpoint || slots_[i].departing || slots_[i].by_hand) continue;
    // Also in panic: traffic to the unhealthy is a last resort, nothing to be called ready for.
    if (!slots_[i].health.healthy) continue;
    if (!ejection_ || ejection_->state(i) != policy::OutlierEjection::State::Ejected) return true;
  }
  return false;
}

}  // namespace outrigger::upstream
