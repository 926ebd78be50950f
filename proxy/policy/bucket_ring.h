// Counts of the last so many spans of time, in a ring of buckets.
//
// What every sliding window here stands on: adding and forgetting cost no allocation and no timer,
// a bucket is emptied when its turn comes round. The newest bucket has only begun, so that
// `Buckets` of them cover between `Buckets` - 1 and `Buckets` spans. What the counts mean is their
// owner's.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "proxy/base/time.h"

namespace outrigger::policy {

// `Count{}` is what an empty bucket holds; Count has +=.
template <class Count, std::size_t Buckets>
class BucketRing {
 public:
  explicit BucketRing(Duration span) : span_(at_least_one(span)) {}

  // The bucket of `now`. Workers tell their times slightly out of order: an earlier time than the
  // newest counts as the newest.
  Count& at(TimePoint now) {
    const std::int64_t turn = turn_of(now);
    if (turn > newest_) {
      const auto passed = std::min<std::int64_t>(turn - newest_, Buckets);
      for (std::int64_t i = 0; i < passed; ++i) bucket(turn - i) = Count{};
      newest_ = turn;
    }
    return bucket(newest_);
  }

  // Calls `visit(count)` for the buckets that are not over at `now`, the newest first. Buckets in
  // which nothing can have been counted since are visited as `Count{}`, and so are those before the
  // clock began: a machine may have booted a second ago.
  template <class Visit>
  void newest_first(TimePoint now, const Visit& visit) const {
    const std::int64_t turn = std::max(turn_of(now), newest_);
    for (std::int64_t age = 0; age < kBuckets; ++age) {
      const std::int64_t one = turn - age;
      visit(one < 0 || one > newest_ ? Count{} : bucket(one));
    }
  }

  // Nothing has been forgotten since the newest was counted.
  bool current(TimePoint now) const { return turn_of(now) <= newest_; }

  // The same counts in buckets of another length, each where its old bucket began. For a reload.
  void set_span(Duration span) {
    if (at_least_one(span) == span_) return;
    BucketRing other(span);
    for (std::int64_t turn = std::max<std::int64_t>(newest_ - kBuckets + 1, 0); turn <= newest_;
         ++turn) {
      other.at(TimePoint{span_ * turn}) += bucket(turn);
    }
    *this = other;
  }

  void clear() { counts_.fill(Count{}); }

 private:
  static constexpr auto kBuckets = static_cast<std::int64_t>(Buckets);

  static Duration at_least_one(Duration span) { return std::max(span, Duration{1}); }

  std::int64_t turn_of(TimePoint t) const { return t.time_since_epoch() / span_; }
  Count& bucket(std::int64_t turn) { return counts_[static_cast<std::uint64_t>(turn) % Buckets]; }
  const Count& bucket(std::int64_t turn) const {
    return counts_[static_cast<std::uint64_t>(turn) % Buckets];
  }

  Duration span_;
  std::int64_t newest_ = 0;  // which span since the clock's beginning the newest bucket is
  std::array<Count, Buckets> counts_{};
};

}  // namespace outrigger::policy
