// A token bucket, or one for each value of a key: so many requests over time, and a burst.
//
// A bucket is one point in time, the one at which it will be full again (GCRA): a request moves it
// by the time of one token, and is refused where it would lie further ahead than the burst. Nothing
// is refilled, and a bucket that is full is the same as none.
//
// Keys are caller-made, so there are at most `max_keys`, in memory set aside beforehand; a new one
// beyond takes the place of the one not seen for longest, in constant time. A caller who may choose
// more keys than that can thereby have a full bucket each time. Only a keyed 64-bit hash of a key
// is kept (SipHash, so that nobody can aim at another's bucket). Requests without a key share one.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "config/model.h"
#include "proxy/base/time.h"

namespace outrigger::policy {

class RateLimit {
 public:
  RateLimit(const config::RateLimit& settings, std::uint64_t seed);

  // The new settings apply from now on; what buckets have spent stays spent.
  void configure(const config::RateLimit& settings);

  // Takes a token from the bucket of `key` (none: of those without). Nothing where it was granted,
  // else the time until the next token.
  std::optional<Duration> refused(std::optional<std::string_view> key, TimePoint now);

  std::uint64_t refusals() const { return refusals_; }  // since construction
  std::size_t keys() const { return nodes_.size(); }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  struct Node {
    std::uint64_t hash = 0;
    TimePoint full_at{};
    std::uint32_t older = kNone, newer = kNone;  // by last use
    std::uint32_t chain = kNone;                 // others of the same hash chain
  };

  std::optional<Duration> take(TimePoint& full_at, TimePoint now) const;
  TimePoint& bucket_of(std::string_view key, TimePoint now);
  std::uint32_t find(std::uint64_t hash) const;
  std::uint32_t make_room();
  std::uint32_t& head_of(std::uint64_t hash) { return heads_[hash & (heads_.size() - 1)]; }
  void unchain(std::uint32_t index);
  void link_as_newest(std::uint32_t index);
  void unlink(std::uint32_t index);
  void resize(std::uint32_t max_keys);

  Duration token_{};  // the time in which one comes back
  Duration most_{};   // how far ahead full_at may lie for a request to be granted
  std::array<std::uint64_t, 2> secret_;
  TimePoint shared_full_at_{};
  std::uint32_t max_keys_ = 0;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> heads_;  // of the hash chains; a power of two
  std::uint32_t oldest_ = kNone, newest_ = kNone;
  std::uint64_t refusals_ = 0;
};

}  // namespace outrigger::policy
