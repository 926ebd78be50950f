// The order of a shutdown (CONFIG.md, Life), as a pure machine: facts and time in, steps out.
//
//   delay      not ready, still serving, so that callers elsewhere stop sending (inbound only)
//   inbound    inbound listeners closed, their requests end; outbound goes on for the application
//   outbound   outbound listeners closed too, where the mode asks to wait for that
//   done       nothing is in flight, or drain_timeout is over, counted from the end of the delay
#pragma once

#include "config/model.h"
#include "proxy/base/time.h"

namespace outrigger {

class Drain {
 public:
  // What is seen at a step; `open` counts callers' connections, `busy` requests under way.
  struct Facts {
    std::uint32_t inbound_busy = 0;
    std::uint32_t outbound_busy = 0;
    std::uint32_t outbound_open = 0;
    bool closing = false;  // listeners that were to close have not yet; the counts may still grow
  };
  enum class Phase : std::uint8_t { Serving, Delay, Inbound, Outbound, Done };

  // No caller's connection for so long: the application has gone.
  static constexpr Duration kIdleFor = std::chrono::seconds(1);

  Drain(const config::Shutdown& settings, bool has_inbound)
      : settings_(settings), has_inbound_(has_inbound) {}

  void begin(TimePoint now);
  // `DELETE /drain`, possible until listeners have been closed.
  bool cancel();
  // To be called every few milliseconds while draining; answers the phase now in force.
  Phase step(const Facts& facts, TimePoint now);
  Phase phase() const { return phase_; }
  bool draining() const { return phase_ != Phase::Serving; }

 private:
  bool outbound_may_close(const Facts& facts, TimePoint now);

  config::Shutdown settings_;
  bool has_inbound_;
  Phase phase_ = Phase::Serving;
  TimePoint delay_over_ = kNever;
  TimePoint give_up_at_ = kNever;
  TimePoint idle_since_ = kNever;
};

}  // namespace outrigger
