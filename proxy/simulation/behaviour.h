// How an endpoint behaves: how long it takes, which share of requests goes wrong and how, and how
// many it can work on at once.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "proxy/base/random.h"
#include "proxy/base/time.h"

namespace outrigger::simulation {

// A distribution of times, one of four: `fixed`; uniform in `min` … `max`; exponential around
// `mean`; lognormal through `p50` and `p99`.
struct Latency {
  std::optional<Duration> fixed;
  std::optional<Duration> min, max;
  std::optional<Duration> mean;
  std::optional<Duration> p50, p99;
};

Duration draw(const Latency& latency, Random& random);

// What becomes of work whose caller has gone: most servers do not notice.
enum class Abandoned { Finish, Drop };

// Requests beyond `requests` wait in the endpoint; beyond `queue` they are answered 503 at once.
struct Capacity {
  std::uint32_t requests = 1;
  std::uint32_t queue = 1000;
  Abandoned abandoned = Abandoned::Finish;
};

struct StatusShare {
  int status = 503;
  double percent = 0;
};

struct Behaviour {
  Latency latency{.fixed = std::chrono::milliseconds(5)};  // of the work, without queueing
  std::vector<StatusShare> statuses;                       // all others are 200
  double refuse_percent = 0;                               // connects refused
  double unreachable_percent = 0;                          // connects that never end
  double reset_percent = 0;                                // closed before the head
  double hang_percent = 0;                                 // requests never answered
  double break_percent = 0;                                // closed in the body
  double elsewhere_percent = 0;  // answered 503, marked x-outrigger-retry: elsewhere
  std::optional<Capacity> capacity;
};

}  // namespace outrigger::simulation
