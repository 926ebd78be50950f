#include "proxy/access_log/selection.h"

namespace outrigger::access_log {

using exchange::ExchangeRecord;

bool failed(const ExchangeRecord& record) {
  return record.status >= 499 || record.local_reply || record.aborted != exchange::AbortSide::None;
}

namespace {

// The policies had something to do with it.
bool touched(const ExchangeRecord& record) {
  return record.try_count > 1 || record.fell_back || record.fault_delayed ||
         record.fault_abort != exchange::FaultAbort::None ||
         record.retry_denied != policy::Denial::None;
}

}  // namespace

Selection::Selection(const config::AccessLog& settings)
    : only_(settings.only), slow_(settings.slow), sample_percent_(settings.sample_percent) {}

bool Selection::takes(const ExchangeRecord& record, Random& random) const {
  if (!wanted(record)) return false;
  return sample_percent_ >= 100 || random.unit() * 100 < sample_percent_;
}

bool Selection::wanted(const ExchangeRecord& record) const {
  using enum config::AccessLogOnly;
  switch (only_) {
    case All:
      break;
    case Errors:
      return failed(record);
    case Slow:
      return slow(record);
    case Notable:
      return failed(record) || slow(record) || touched(record);
  }
  return true;
}

// An upgraded connection is meant to last.
bool Selection::slow(const ExchangeRecord& record) const {
  return !record.upgraded && record.duration >= slow_;
}

}  // namespace outrigger::access_log
