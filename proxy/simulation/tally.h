// Counts what the exchanges of one hop came to, by the phase in which they began.
#pragma once

#include <map>
#include <tuple>
#include <vector>

#include "proxy/exchange/record.h"
#include "proxy/simulation/report.h"

namespace outrigger::simulation {

class Tally final : public exchange::Observer {
 public:
  // `phase_ends`: when each phase ends; what begins later counts for the last one.
  explicit Tally(std::vector<TimePoint> phase_ends);

  void on_exchange_begun(std::uint32_t, std::uint32_t) override {}
  void on_exchange(const exchange::ExchangeRecord& record) override;

  const TryCounts& tries(std::size_t phase) const { return phases_[phase].tries; }
  // What the callers of this hop saw.
  void fill(std::size_t phase, PhaseReport& report);

 private:
  // Status, failure, local, broken off, fallback: made a label of only at the end.
  using Answer = std::tuple<int, exchange::FailureKind, bool, bool, bool>;
  struct Phase {
    TryCounts tries;
    std::uint64_t requests = 0;
    std::uint64_t failed = 0;
    std::map<Answer, std::uint64_t> answers;
    std::vector<Duration> durations;
  };

  static std::string label_of(const Answer& answer);
  void count_tries(const exchange::ExchangeRecord& record, TryCounts& tries);

  std::vector<TimePoint> phase_ends_;
  std::vector<Phase> phases_;
};

}  // namespace outrigger::simulation
