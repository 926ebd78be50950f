#include "proxy/exchange/fault_state.h"

#include <algorithm>

#include "proxy/policy/fault_injection.h"

namespace outrigger::exchange {
namespace {

bool is_over(const ActiveFault& fault, std::int64_t unix_seconds) {
  return policy::over(fault.settings(),
                      std::chrono::sys_seconds(std::chrono::seconds(unix_seconds)));
}

}  // namespace

ActiveFault::ActiveFault(const config::Fault& settings, bool at_run_time)
    : settings_(settings), at_run_time_(at_run_time) {
  for (const auto& header : settings.headers) headers_.emplace_back(header);
}

bool ActiveFault::is_for(const HeaderLookup& headers) const {
  return std::ranges::all_of(headers_,
                             [&](const HeaderTest& test) { return test.passes(headers); });
}

void FaultState::configure(const std::optional<config::Fault>& fault) {
  auto made = fault ? std::make_shared<const ActiveFault>(*fault, false) : nullptr;
  const std::lock_guard lock(mutex_);
  configured_ = std::move(made);
  note_any_locked();
}

void FaultState::set_at_run_time(const config::Fault& fault) {
  auto made = std::make_shared<const ActiveFault>(fault, true);
  const std::lock_guard lock(mutex_);
  at_run_time_ = std::move(made);
  note_any_locked();
}

bool FaultState::remove_at_run_time() {
  const std::lock_guard lock(mutex_);
  const bool there_was = at_run_time_ != nullptr;
  at_run_time_ = nullptr;
  note_any_locked();
  return there_was;
}

ActiveFaultPtr FaultState::at_run_time() const {
  if (!any()) return nullptr;
  const std::lock_guard lock(mutex_);
  return at_run_time_;
}

void FaultState::note_any_locked() {
  any_.store(configured_ || at_run_time_, std::memory_order_relaxed);
}

ActiveFaultPtr FaultState::current(std::int64_t unix_seconds) const {
  const std::lock_guard lock(mutex_);
  if (at_run_time_ && !is_over(*at_run_time_, unix_seconds)) return at_run_time_;
  return configured_ && !is_over(*configured_, unix_seconds) ? configured_ : nullptr;
}

}  // namespace outrigger::exchange
