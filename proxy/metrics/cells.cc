#include "proxy/metrics/cells.h"

#include <algorithm>

namespace outrigger::metrics {
namespace {

constexpr auto kBoundsNs = [] {
  std::array<std::int64_t, exchange::kBucketBounds.size()> bounds{};
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    bounds[i] = static_cast<std::int64_t>(exchange::kBucketBounds[i] * 1e9 + 0.5);
  }
  return bounds;
}();

}  // namespace

void HistogramCells::observe(Duration value) {
  const auto at = std::ranges::lower_bound(kBoundsNs, value.count());
  buckets_[static_cast<std::size_t>(at - kBoundsNs.begin())].add();
  sum_ns_.add(value.count());
}

void HistogramCells::add_to(exchange::HistogramLive& sum) const {
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    sum.buckets[i] += static_cast<std::uint64_t>(buckets_[i].value());
  }
  sum.sum += static_cast<double>(sum_ns_.value()) / 1e9;
}

CodeCells::~CodeCells() {
  for (auto& hundred : hundreds_) delete hundred.load();
}

void CodeCells::add(int code) {
  const auto h = static_cast<std::size_t>(code) / 100;
  if (h >= hundreds_.size()) return;
  Hundred* hundred = hundreds_[h].load(std::memory_order_relaxed);
  if (!hundred) {
    hundred = new Hundred;
    hundreds_[h].store(hundred, std::memory_order_release);
  }
  (*hundred)[static_cast<std::size_t>(code) % 100].add();
}

}  // namespace outrigger::metrics
