#include "proxy/simulation/tally.h"

#include <algorithm>

#include "proxy/exchange/failure.h"

namespace outrigger::simulation {

using exchange::ExchangeRecord;
using exchange::TryKind;

namespace {

constexpr int kTooManyRequests = 429;
constexpr int kCallerGone = 499;

bool failed(const ExchangeRecord& record) {
  if (record.local_reply && record.failure == exchange::FailureKind::NoRoute) return true;
  return record.status >= kCallerGone || record.status == kTooManyRequests ||
         record.aborted != exchange::AbortSide::None;
}

Duration percentile(const std::vector<Duration>& sorted, double share) {
  if (sorted.empty()) return {};
  const auto at = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
  return sorted[std::min(at, sorted.size() - 1)];
}

}  // namespace

Tally::Tally(std::vector<TimePoint> phase_ends)
    : phase_ends_(std::move(phase_ends)), phases_(phase_ends_.size()) {}

void Tally::on_exchange(const ExchangeRecord& record) {
  const auto end = std::ranges::upper_bound(phase_ends_, record.began);
  const auto index = static_cast<std::size_t>(end - phase_ends_.begin());
  Phase& phase = phases_[std::min(index, phases_.size() - 1)];
  ++phase.requests;
  if (failed(record)) ++phase.failed;
  const auto failure = record.local_reply ? record.failure : exchange::FailureKind::None;
  ++phase.answers[{record.status, failure, record.local_reply,
                   record.aborted != exchange::AbortSide::None, record.fell_back}];
  phase.durations.push_back(record.duration);
  count_tries(record, phase.tries);
}

void Tally::count_tries(const ExchangeRecord& record, TryCounts& tries) {
  for (std::size_t i = 0; i < record.try_count; ++i) {
    switch (record.tries[i].kind) {
      case TryKind::First:
        ++tries.firsts;
        break;
      case TryKind::Hedge:
        ++tries.hedges;
        break;
      case TryKind::Retry:
        ++tries.retries;
        ++tries.retried[std::string(label(record.retry_reasons[i]))];
        break;
    }
  }
  if (record.retry_denied != policy::Denial::None) {
    ++tries.denied[std::string(label(record.retry_denied))];
  }
}

std::string Tally::label_of(const Answer& answer) {
  const auto& [status, failure, local, broken, fallback] = answer;
  std::string text = std::to_string(status);
  if (local && failure != exchange::FailureKind::None) {
    text += " " + std::string(exchange::answer_for(failure).reason);
  }
  if (broken) text += " broken off";
  if (fallback) text += " by fallback";
  return text;
}

void Tally::fill(std::size_t index, PhaseReport& report) {
  Phase& phase = phases_[index];
  report.requests = phase.requests;
  report.failed = phase.failed;
  for (const auto& [answer, count] : phase.answers) report.answers[label_of(answer)] += count;
  std::ranges::sort(phase.durations);
  report.p50 = percentile(phase.durations, 0.5);
  report.p95 = percentile(phase.durations, 0.95);
  report.p99 = percentile(phase.durations, 0.99);
  report.longest = percentile(phase.durations, 1);
}

}  // namespace outrigger::simulation
