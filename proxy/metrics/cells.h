// Where one worker counts: plain numbers that it alone writes and a scrape reads.
//
// A relaxed load and store instead of an atomic addition: there is one writer, so no bus lock is
// needed, and the scraper sees each number whole.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "proxy/base/time.h"
#include "proxy/exchange/live_state.h"
#include "proxy/exchange/record.h"
#include "proxy/metrics/catalogue.h"

namespace outrigger::metrics {

class Cell {
 public:
  void add(std::int64_t by = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

class HistogramCells {
 public:
  void observe(Duration value);
  void add_to(exchange::HistogramLive& sum) const;

 private:
  std::array<Cell, exchange::kBucketCount> buckets_;
  Cell sum_ns_;
};

// Counts by status code; the hundred that a code belongs to is allocated at its first event.
class CodeCells {
 public:
  ~CodeCells();
  void add(int code);
  template <class Each>
  void for_each(const Each& each) const {
    for (std::size_t h = 0; h < hundreds_.size(); ++h) {
      const Hundred* hundred = hundreds_[h].load(std::memory_order_acquire);
      for (std::size_t i = 0; hundred && i < hundred->size(); ++i) {
        const auto count = (*hundred)[i].value();
        if (count > 0) each(static_cast<int>(h * 100 + i), count);
      }
    }
  }

 private:
  using Hundred = std::array<Cell, 100>;
  std::array<std::atomic<Hundred*>, 6> hundreds_{};
};

template <class Enum>
using CellsBy = std::array<Cell, static_cast<std::size_t>(Enum::kCount)>;

struct RouteCells {
  RouteLabels labels;
  CodeCells codes;
  HistogramCells duration;
  HistogramCells overhead;
  Cell in_flight;
  Cell aborted_upstream;
  Cell aborted_downstream;
  CellsBy<exchange::FailureKind> local_replies;
  std::array<Cell, policy::kRetryReasons> retries;
  std::array<Cell, policy::kDenials> denied;
  CellsBy<exchange::TimeoutKind> timeouts;
  std::atomic<bool> hedges{false};  // by the configuration in force
  Cell hedges_won;
  Cell hedges_lost;
  Cell malformed_deadlines;
  CellsBy<exchange::MirrorDrop> mirrors_dropped;
  Cell faults_delay;
  Cell faults_abort;
  Cell faults_reset;
};

struct FallbackCells {
  std::string route;
  std::string to;  // an upstream, or "respond"
  Cell count;
};

struct UpstreamCells {
  std::string name;
  std::array<CellsBy<exchange::AttemptOutcome>, 3> attempts;  // by TryKind
  HistogramCells attempt_duration;
  CellsBy<exchange::LimitKind> overflows;
};

}  // namespace outrigger::metrics
