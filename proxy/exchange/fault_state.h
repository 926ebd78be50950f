// The fault that a route injects: the configured one, or in its place one that was set at run time,
// until that is over or removed.
//
// Shared by all workers. While there is neither, a request pays for one relaxed load.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "config/model.h"
#include "proxy/exchange/route_match.h"

namespace outrigger::exchange {

class ActiveFault {
 public:
  ActiveFault(const config::Fault& settings, bool at_run_time);
  const config::Fault& settings() const { return settings_; }
  bool at_run_time() const { return at_run_time_; }
  bool is_for(const HeaderLookup& headers) const;

 private:
  config::Fault settings_;
  bool at_run_time_;
  std::vector<HeaderTest> headers_;
};
using ActiveFaultPtr = std::shared_ptr<const ActiveFault>;

class FaultState {
 public:
  void configure(const std::optional<config::Fault>& fault);
  void set_at_run_time(const config::Fault& fault);
  bool remove_at_run_time();           // false: there was none
  ActiveFaultPtr at_run_time() const;  // null: none; it may be over

  bool any() const { return any_.load(std::memory_order_relaxed); }
  ActiveFaultPtr current(std::int64_t unix_seconds) const;  // null: none

 private:
  void note_any_locked();

  std::atomic<bool> any_{false};
  mutable std::mutex mutex_;
  ActiveFaultPtr configured_;
  ActiveFaultPtr at_run_time_;
};

}  // namespace outrigger::exchange
