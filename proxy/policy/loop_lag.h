// By how much an event loop comes late, smoothed: a queue that stands counts, a hiccup does not.
//
// While there are requests a probe is due every kEvery; what it comes late is a sample. The lag is
// the samples' average, each weighted by the time it stands for and forgotten with kMemory: at a
// standing lag of twice the bound the average is at the bound after 350 ms. A probe that is overdue
// counts before it comes, for what waited in the sockets is served before the timers. No sample
// counts for more than kMost bounds, so that a stall of any length (a stopped process, a
// hypervisor) is forgotten within kMemory × ln(kMost), 0.7 s.
//
// It reads no clock: the loop's own time of this turn is enough.
#pragma once

#include <optional>

#include "proxy/base/time.h"

namespace outrigger::policy {

class LoopLag {
 public:
  static constexpr Duration kEvery = std::chrono::milliseconds(50);
  static constexpr Duration kMemory = std::chrono::milliseconds(500);
  static constexpr int kMost = 4;
  // What a timer is late by without anybody's fault: libuv counts milliseconds.
  static constexpr Duration kGrain = std::chrono::milliseconds(1);
  static constexpr Duration kMostWithoutBound = std::chrono::seconds(10);

  void configure(std::optional<Duration> bound) {
    most_ = bound ? *bound * kMost : kMostWithoutBound;
  }

  void expect(TimePoint due, TimePoint now);  // the probe was sent
  void arrived(TimePoint now);                // and has come
  Duration at(TimePoint now) const;
  void forget() { average_ = {}; }

 private:
  TimePoint due_ = kNever;
  TimePoint last_{};  // since when the next sample stands for
  Duration most_ = kMostWithoutBound;
  Duration average_{};
};

}  // namespace outrigger::policy
