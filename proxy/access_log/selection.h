// Which exchanges have a line in the access log.
#pragma once

#include "config/model.h"
#include "proxy/base/random.h"
#include "proxy/exchange/record.h"

namespace outrigger::access_log {

// Did not end well, whoever's doing it was: a status from 500, a local reply, a response that
// broke off, a caller who left.
bool failed(const exchange::ExchangeRecord& record);

class Selection {
 public:
  explicit Selection(const config::AccessLog& settings);

  // `random` is only asked where not all is written.
  bool takes(const exchange::ExchangeRecord& record, Random& random) const;

 private:
  bool wanted(const exchange::ExchangeRecord& record) const;
  bool slow(const exchange::ExchangeRecord& record) const;

  config::AccessLogOnly only_;
  Duration slow_;
  double sample_percent_;
};

}  // namespace outrigger::access_log
