// Whether an endpoint is well, from asking it now and then: what one active check after another
// came to, until enough in a row say the contrary of what is believed.
//
// Asked each `interval`; where the upstream is without traffic and the endpoint is known to be
// well, each `no_traffic_interval`. What is unhealthy, or has just failed, is always asked at
// `interval`: without traffic by its own fault it would else come back late. Both are drawn anew
// each time within ± jitter_percent, and the first check within one jitter of the beginning, so
// that the checks of many endpoints and of many sidecars do not come at once.
//
// How a check is made is upstream/health_probe.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/model.h"
#include "proxy/base/random.h"
#include "proxy/base/time.h"

namespace outrigger::policy {

enum class CheckOutcome : std::uint8_t {
  Success,
  ConnectFailure,
  Timeout,         // of the whole check, its connect included
  Closed,          // before a whole response head
  BadResponse,     // not HTTP, or a head too large
  Status,          // not one of `expect`
  OutOfResources,  // this process could not ask: says nothing
};

// What one check came to.
struct CheckEnd {
  CheckOutcome outcome = CheckOutcome::Success;
  int status = 0;  // of a response

  bool good() const { return outcome == CheckOutcome::Success; }
};

// health_checks_total's `result`.
enum class CheckResult : std::uint8_t { Success, Failure, Timeout, kCount };
CheckResult result_of(const CheckEnd& end);
std::string_view label(CheckResult result);
// For people: "status 503", "no answer in time".
std::string reason(const CheckEnd& end);

// What is known of an endpoint's health.
struct Health {
  bool healthy = true;
  std::optional<CheckEnd> last;   // empty: not checked yet
  std::uint32_t consecutive = 0;  // checks in a row that were good, or not, as the last
  TimePoint checked_at{};         // when the last one ended
};

class HealthCheck {
 public:
  // `healthy`: what the endpoint counts as until checks say otherwise.
  HealthCheck(const config::HealthCheck& settings, bool healthy, TimePoint now, Random& random);
  // What is known stays; the next check is due by the new settings. One that is under way has been
  // given up and is made anew.
  void configure(const config::HealthCheck& settings, TimePoint now, Random& random);

  const Health& health() const { return health_; }
  // When to call begin(); kNever while a check is under way.
  TimePoint due() const { return due_; }
  // True: a check begins now, and record() tells its end. False: due() is later. `traffic`: the
  // upstream is in use.
  bool begin(bool traffic, TimePoint now, Random& random);
  // Instead of record(): it could not be asked. Asked again after an interval.
  void put_off(TimePoint now, Random& random);
  // True where the endpoint became healthy or unhealthy by it.
  bool record(const CheckEnd& end, TimePoint now, Random& random);

 private:
  bool settled() const;
  void begin_early(TimePoint now, Random& random);
  void plan(TimePoint now, Random& random);
  Duration jittered(Duration interval, Random& random) const;

  config::HealthCheck settings_;
  Health health_;
  bool ever_healthy_;
  bool under_way_ = false;
  TimePoint began_at_{};  // the last check
  TimePoint due_{};
  TimePoint due_with_traffic_{};
  TimePoint due_without_traffic_{};
};

}  // namespace outrigger::policy
