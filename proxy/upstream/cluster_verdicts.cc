// ClusterState's verdicts: what a try came to goes to breaker, detectors and balancer, and its
// place to the oldest waiter. What changed is told without the lock.

#include "proxy/base/check.h"
#include "proxy/base/log.h"
#include "proxy/exchange/breaker_report.h"
#include "proxy/policy/failure_class.h"
#include "proxy/upstream/cluster_state.h"
#include "proxy/upstream/ejection_text.h"

namespace outrigger::upstream {
namespace {

using exchange::EventKind;
using policy::TryOutcome;

bool failed_for_balancer(const policy::TryEnd& end) {
  if (end.outcome == TryOutcome::OutOfResources) return false;
  return end.outcome != TryOutcome::Response || end.status >= 500 || end.refused_elsewhere ||
         end.refused_for_good;
}

bool says_something(const policy::TryEnd& end) {
  return !policy::is_our_own_doing(end.outcome) && end.outcome != TryOutcome::StaleConnection;
}

}  // namespace

void ClusterState::settle(Ticket& ticket, const policy::TryEnd& end, Duration time_to_head,
                          TimePoint now) {
  if (ticket.settled) return;
  ticket.settled = true;
  ticket.failed = failed_for_balancer(end);
  ticket.sample = says_something(end);
  policy::OutlierEjection::Change change;
  policy::OptionalBreaker::Changes breaker_changes;
  {
    const std::lock_guard lock(mutex_);
    now = latest_locked(now);
    if (breaker_) {
      breaker_->record(ticket.circuit, policy::breaker_verdict(breaker_->settings(), end), now,
                       time_to_head);
      breaker_changes = breaker_.take_untold();
    }
    const bool timed = time_to_head > Duration{};
    if (timed && policy::is_load_sample(end)) adaptive_.sample(time_to_head, now);
    if (end.endless) {
      leave_adaptive_locked(ticket);
      serve_queue_locked(ticket.worker, now);
    }
    Slot& slot = slots_[ticket.slot];
    ++slot.outcomes[static_cast<std::size_t>(exchange::attempt_outcome(end))];
    if (policy::is_failure(policy::failure_class(end))) ++slot.failures;
    if (end.draining) pause_draining_locked(ticket.slot, now);
    // A try that was cut off took at least so long: it may make its endpoint look slower, never
    // quicker.
    const bool cut_off =
        end.outcome == TryOutcome::Abandoned && end.processed == policy::Processed::MaybeProcessed;
    if (timed && (ticket.sample || cut_off) && !policy::is_connect_failure(end.outcome)) {
      latency_.record(time_to_head, now);
    }
    const bool says_slow = cut_off && time_to_head > choice_.latency(ticket.slot, now);
    if (ejection_ && !slot.departing) {
      if (ticket.probation && !ticket.sample) ejection_->give_back_probation(ticket.slot, now);
      ejection_->record_time(ticket.slot, end, time_to_head);
      change = ejection_->record(ticket.slot, end, now, ticket.probation);
      if (change.restored) choice_.forget_latency(ticket.slot);
    }
    ticket.sample = (ticket.sample && (timed || ticket.failed)) || says_slow;
    if (end.draining || change.ejected || change.restored) update_selectable_locked(ticket.slot);
  }
  report(ticket.slot, change);
  exchange::report(breaker_changes, kScope, name_, events_);
}

void ClusterState::body_broke(const Ticket& ticket, TimePoint now) {
  policy::OutlierEjection::Change change;
  {
    const std::lock_guard lock(mutex_);
    now = latest_locked(now);
    Slot& slot = slots_[ticket.slot];
    if (!ejection_ || slot.departing) return;
    ++slot.failures;
    change = ejection_->record(ticket.slot, {.outcome = TryOutcome::Reset}, now, false);
    update_selectable_locked(ticket.slot);
  }
  report(ticket.slot, change);
}

void ClusterState::report(std::uint32_t slot, const policy::OutlierEjection::Change& change) {
  // What was not carried out is told where it was found by a sweep: rows of failures come too
  // often.
  const bool at_sweep = change.evidence.tries > 0;
  const bool not_made = at_sweep && (change.observed || change.denied);
  if (change.ejected || change.restored || not_made) {
    const EndpointPtr endpoint = endpoint_at(slot);
    const std::string_view address = endpoint ? std::string_view(endpoint->address) : "?";
    if (change.by_hand) {
      log::warn("upstream {}: endpoint {} {} by hand", name_, address,
                change.ejected ? "ejected" : "restored");
      tell({.kind = change.ejected ? EventKind::Ejected : EventKind::Returned,
            .endpoint = std::string(address),
            .cause = change.ejected ? "until restored" : "",
            .by_hand = true});
    } else if (change.ejected) {
      log::warn("upstream {}: endpoint {} ejected for {:.1f} s ({})", name_, address,
                seconds(change.ejected_for), ejection_text(change.detector, change.evidence));
      tell(
          {.kind = EventKind::Ejected,
           .endpoint = std::string(address),
           .cause = fmt::format("{}; for {:.1f} s", ejection_text(change.detector, change.evidence),
                                seconds(change.ejected_for))});
    } else if (not_made) {
      log::info("upstream {}: endpoint {} would be ejected, but for {} ({})", name_, address,
                change.denied ? label(*change.denied) : "mode: observe",
                ejection_text(change.detector, change.evidence));
    } else {
      log::info("upstream {}: endpoint {} is back", name_, address);
      tell({.kind = EventKind::Returned,
            .endpoint = std::string(address),
            .cause = "its request on probation succeeded"});
    }
  }
}

void ClusterState::tell(exchange::Event event) {
  if (!events_) return;
  event.scope = kScope;
  event.name = name_;
  events_->add(std::move(event));
}

void ClusterState::finish(Ticket& ticket, Duration time_to_head, bool connection_stays,
                          TimePoint now) {
  INVARIANT(ticket.settled);
  const std::lock_guard lock(mutex_);
  now = latest_locked(now);
  leave_adaptive_locked(ticket);
  Slot& slot = slots_[ticket.slot];
  --slot.requests;
  if (!connection_stays) --slot.connections;
  choice_.on_end(ticket.slot, now, time_to_head, ticket.failed, ticket.sample);
  update_limited_locked(ticket.slot);
  free_if_drained_locked(ticket.slot);
  if (connection_stays) {
    limit_.release_request_keep_connection();
  } else {
    limit_.release();
  }
  serve_queue_locked(ticket.worker, now);
}

void ClusterState::serve_queue(std::uint32_t worker, TimePoint now) {
  const std::lock_guard lock(mutex_);
  serve_queue_locked(worker, latest_locked(now));
}

void ClusterState::connection_freed(std::uint32_t slot, std::uint32_t worker, TimePoint now) {
  const std::lock_guard lock(mutex_);
  --slots_[slot].connections;
  limit_.release_connection();
  update_selectable_locked(slot);
  free_if_drained_locked(slot);
  serve_queue_locked(worker, latest_locked(now));
}

}  // namespace outrigger::upstream
