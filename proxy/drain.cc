#include "proxy/drain.h"

namespace outrigger {

void Drain::begin(TimePoint now) {
  if (phase_ != Phase::Serving) return;
  phase_ = Phase::Delay;
  delay_over_ = has_inbound_ ? saturating_add(now, settings_.delay) : now;
}

bool Drain::cancel() {
  if (phase_ != Phase::Delay) return phase_ == Phase::Serving;
  phase_ = Phase::Serving;
  return true;
}

Drain::Phase Drain::step(const Facts& facts, TimePoint now) {
  if (phase_ == Phase::Delay && now >= delay_over_) {
    phase_ = Phase::Inbound;
    give_up_at_ = saturating_add(now, settings_.drain_timeout);
  }
  if (phase_ == Phase::Inbound && now < give_up_at_) {
    // Done is for a later step: these counts are from before the listeners close.
    if (outbound_may_close(facts, now)) phase_ = Phase::Outbound;
    return phase_;
  }
  if (phase_ != Phase::Inbound && phase_ != Phase::Outbound) return phase_;
  const bool quiet = !facts.closing && facts.inbound_busy == 0 && facts.outbound_busy == 0;
  if ((phase_ == Phase::Outbound && quiet) || now >= give_up_at_) phase_ = Phase::Done;
  return phase_;
}

bool Drain::outbound_may_close(const Facts& facts, TimePoint now) {
  switch (settings_.outbound) {
    case config::OutboundDrain::Immediate:
      return true;
    case config::OutboundDrain::UntilTimeout:
      return now >= give_up_at_;
    case config::OutboundDrain::UntilIdle:
      break;
  }
  if (facts.inbound_busy > 0) return false;
  if (!has_inbound_ && facts.outbound_busy == 0) return true;
  if (facts.outbound_open > 0) {
    idle_since_ = kNever;
    return false;
  }
  if (idle_since_ == kNever) idle_since_ = now;
  return now - idle_since_ >= kIdleFor;
}

}  // namespace outrigger
