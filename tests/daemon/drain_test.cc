#include "proxy/drain.h"

#include "tests/support/catch.h"

namespace outrigger {
namespace {

using namespace std::chrono_literals;
using Phase = Drain::Phase;
using Facts = Drain::Facts;

constexpr TimePoint t0{1000s};
const config::Shutdown kDefaults;  // 5 s delay, 20 s drain_timeout, until_idle

TEST_CASE("with an inbound listener it serves on for the delay, then closes inbound first") {
  Drain drain(kDefaults, true);
  drain.begin(t0);
  CHECK(drain.step({.inbound_busy = 1}, t0 + 4999ms) == Phase::Delay);
  CHECK(drain.step({.inbound_busy = 1, .outbound_open = 1}, t0 + 5s) == Phase::Inbound);
}

TEST_CASE("without an inbound listener and without traffic it is done at once") {
  Drain drain(kDefaults, false);
  drain.begin(t0);
  CHECK(drain.step({.outbound_open = 3}, t0) == Phase::Outbound);
  CHECK(drain.step({.closing = true}, t0) == Phase::Outbound);
  CHECK(drain.step({.outbound_busy = 1}, t0) == Phase::Outbound);  // it came while closing
  CHECK(drain.step({}, t0) == Phase::Done);
}

TEST_CASE("outbound goes on until the application has had no connection open for a second") {
  Drain drain(kDefaults, true);
  drain.begin(t0);
  const TimePoint inbound_closed = t0 + 5s;
  CHECK(drain.step({.outbound_open = 1}, inbound_closed) == Phase::Inbound);
  CHECK(drain.step({.outbound_open = 0}, inbound_closed + 1s) == Phase::Inbound);
  CHECK(drain.step({.outbound_open = 1}, inbound_closed + 1900ms) == Phase::Inbound);
  CHECK(drain.step({.outbound_open = 0}, inbound_closed + 3s) == Phase::Inbound);
  CHECK(drain.step({.outbound_open = 0}, inbound_closed + 3999ms) == Phase::Inbound);
  CHECK(drain.step({.outbound_open = 0}, inbound_closed + 4s) == Phase::Outbound);
  CHECK(drain.step({.outbound_open = 0}, inbound_closed + 4s) == Phase::Done);
}

TEST_CASE("outbound stays while inbound requests are under way") {
  Drain drain(kDefaults, true);
  drain.begin(t0);
  CHECK(drain.step({.inbound_busy = 1}, t0 + 5s) == Phase::Inbound);
  CHECK(drain.step({.inbound_busy = 1}, t0 + 10s) == Phase::Inbound);
}

TEST_CASE("requests under way are waited for, at most drain_timeout counted from the close") {
  auto settings = kDefaults;
  settings.outbound = config::OutboundDrain::Immediate;
  Drain drain(settings, true);
  drain.begin(t0);
  CHECK(drain.step({.outbound_busy = 1}, t0 + 5s) == Phase::Outbound);
  CHECK(drain.step({.outbound_busy = 1}, t0 + 25s - 1ms) == Phase::Outbound);
  CHECK(drain.step({.outbound_busy = 1}, t0 + 25s) == Phase::Done);
}

TEST_CASE("until_timeout serves outbound to the last moment") {
  auto settings = kDefaults;
  settings.outbound = config::OutboundDrain::UntilTimeout;
  Drain drain(settings, false);
  drain.begin(t0);
  CHECK(drain.step({}, t0) == Phase::Inbound);
  CHECK(drain.step({}, t0 + 20s - 1ms) == Phase::Inbound);
  CHECK(drain.step({}, t0 + 20s) == Phase::Done);
}

TEST_CASE("a drain can be called off during its delay only") {
  Drain drain(kDefaults, true);
  drain.begin(t0);
  CHECK(drain.cancel());
  CHECK(drain.step({}, t0 + 100s) == Phase::Serving);
  drain.begin(t0 + 100s);
  drain.step({.inbound_busy = 1}, t0 + 105s);
  CHECK_FALSE(drain.cancel());
}

}  // namespace
}  // namespace outrigger
