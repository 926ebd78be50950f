#include "proxy/access_log/selection.h"

#include "tests/support/catch.h"

namespace outrigger::access_log {
namespace {

using namespace std::chrono_literals;
using config::AccessLogOnly;
using exchange::ExchangeRecord;

ExchangeRecord fine() {
  ExchangeRecord record{};
  record.status = 200;
  record.try_count = 1;
  record.duration = 10ms;
  return record;
}

bool takes(AccessLogOnly only, const ExchangeRecord& record) {
  Random random(1);
  return Selection({.only = only, .slow = 100ms}).takes(record, random);
}

// Whether all, errors, slow, notable take it.
std::string taken(const ExchangeRecord& record) {
  std::string by;
  if (takes(AccessLogOnly::All, record)) by += 'a';
  if (takes(AccessLogOnly::Errors, record)) by += 'e';
  if (takes(AccessLogOnly::Slow, record)) by += 's';
  if (takes(AccessLogOnly::Notable, record)) by += 'n';
  return by;
}

template <class Change>
std::string taken_where(Change change) {
  ExchangeRecord record = fine();
  change(record);
  return taken(record);
}

TEST_CASE("what was quick and good is only in a log of all") {
  CHECK(taken(fine()) == "a");
  CHECK(taken_where([](auto& record) { record.status = 404; }) == "a");
  CHECK(taken_where([](auto& record) { record.duration = 99ms; }) == "a");
}

TEST_CASE("errors are what did not end well, whoever's doing it was") {
  CHECK(taken_where([](auto& record) { record.status = 500; }) == "aen");
  CHECK(taken_where([](auto& record) { record.status = 499; }) == "aen");
  CHECK(taken_where([](auto& record) {
          record.status = 429;
          record.local_reply = true;
        }) == "aen");
  CHECK(taken_where([](auto& record) { record.aborted = exchange::AbortSide::Upstream; }) == "aen");
}

TEST_CASE("slow is what took so long, save what is meant to last") {
  CHECK(taken_where([](auto& record) { record.duration = 100ms; }) == "asn");
  CHECK(taken_where([](auto& record) {
          record.duration = 1h;
          record.upgraded = true;
        }) == "a");
}

TEST_CASE("notable is also what a policy had to do with") {
  CHECK(taken_where([](auto& record) { record.try_count = 2; }) == "an");
  CHECK(taken_where([](auto& record) { record.fell_back = true; }) == "an");
  CHECK(taken_where([](auto& record) { record.fault_delayed = true; }) == "an");
  CHECK(taken_where([](auto& record) { record.retry_denied = policy::Denial::Budget; }) == "an");
}

TEST_CASE("a sample is drawn of what would be written") {
  const auto count = [](double percent, int status) {
    Random random(7);
    const Selection selection({.only = AccessLogOnly::Errors, .sample_percent = percent});
    ExchangeRecord record = fine();
    record.status = status;
    int taken = 0;
    for (int i = 0; i < 10'000; ++i) taken += selection.takes(record, random) ? 1 : 0;
    return taken;
  };
  CHECK(count(100, 500) == 10'000);
  CHECK(count(0, 500) == 0);
  CHECK(count(25, 200) == 0);
  const int quarter = count(25, 500);
  CHECK(quarter > 2300);
  CHECK(quarter < 2700);
}

}  // namespace
}  // namespace outrigger::access_log
