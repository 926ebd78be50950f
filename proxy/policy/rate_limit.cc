#include "proxy/policy/rate_limit.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "proxy/base/random.h"

namespace outrigger::policy {
namespace {

// Beyond all use, and far from where points in time end.
constexpr Duration kMost = std::chrono::hours(24 * 365 * 100);

Duration times(Duration one, std::uint32_t count) {
  return count > 0 && one > kMost / count ? kMost : one * count;
}

// SipHash-1-3 (Aumasson, Bernstein 2012; one and three rounds as in Rust's and Python's tables).
std::uint64_t sip_hash(const std::array<std::uint64_t, 2>& key, std::string_view text) {
  std::uint64_t v0 = key[0] ^ 0x736f6d6570736575, v1 = key[1] ^ 0x646f72616e646f6d;
  std::uint64_t v2 = key[0] ^ 0x6c7967656e657261, v3 = key[1] ^ 0x7465646279746573;
  const auto round = [&] {
    v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
    v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
  };
  const std::uint64_t length = text.size();
  for (; text.size() >= 8; text.remove_prefix(8)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), 8);
    v3 ^= word;
    round();
    v0 ^= word;
  }
  std::uint64_t last = length << 56;
  for (std::size_t i = 0; i < text.size(); ++i) {
    last |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
  }
  v3 ^= last;
  round();
  v0 ^= last;
  v2 ^= 0xff;
  for (int i = 0; i < 3; ++i) round();
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace

RateLimit::RateLimit(const config::RateLimit& settings, std::uint64_t seed) {
  Random random(seed);
  secret_ = {random.next(), random.next()};
  configure(settings);
}

void RateLimit::configure(const config::RateLimit& settings) {
  const std::uint32_t requests = std::max(settings.requests, 1u);
  // Rounded up, so that a fraction of a nanosecond errs to fewer requests.
  token_ = std::max((settings.per + Duration(requests - 1)) / requests, Duration(1));
  most_ = times(token_, std::max(settings.burst.value_or(requests), 1u) - 1);
  resize(settings.key ? settings.key->max_keys : 0);
}

// Those that are dropped for want of room are the ones not seen for longest.
void RateLimit::resize(std::uint32_t max_keys) {
  if (max_keys == max_keys_) return;
  std::vector<Node> newest_first;
  for (std::uint32_t i = newest_; i != kNone && newest_first.size() < max_keys;
       i = nodes_[i].older) {
    newest_first.push_back(nodes_[i]);
  }
  max_keys_ = max_keys;
  nodes_ = {};
  nodes_.reserve(max_keys);
  heads_.assign(max_keys > 0 ? std::bit_ceil(max_keys) : 0, kNone);
  oldest_ = newest_ = kNone;
  for (auto one = newest_first.rbegin(); one != newest_first.rend(); ++one) {
    const auto index = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({.hash = one->hash, .full_at = one->full_at, .chain = head_of(one->hash)});
    head_of(one->hash) = index;
    link_as_newest(index);
  }
}

std::optional<Duration> RateLimit::refused(std::optional<std::string_view> key, TimePoint now) {
  TimePoint& full_at = key && max_keys_ > 0 ? bucket_of(*key, now) : shared_full_at_;
  const auto wait = take(full_at, now);
  if (wait) ++refusals_;
  return wait;
}

std::optional<Duration> RateLimit::take(TimePoint& full_at, TimePoint now) const {
  // No emptier than empty: a reload may have made the bucket smaller or its tokens quicker.
  const TimePoint from = std::clamp(full_at, now, saturating_add(now, most_ + token_));
  const Duration ahead = from - now;
  if (ahead > most_) return ahead - most_;
  full_at = from + token_;
  return std::nullopt;
}

TimePoint& RateLimit::bucket_of(std::string_view key, TimePoint now) {
  const std::uint64_t hash = sip_hash(secret_, key);
  std::uint32_t index = find(hash);
  if (index != kNone) {
    unlink(index);
  } else {
    index = make_room();
    nodes_[index] = {.hash = hash, .full_at = now, .chain = head_of(hash)};
    head_of(hash) = index;
  }
  link_as_newest(index);
  return nodes_[index].full_at;
}

std::uint32_t RateLimit::find(std::uint64_t hash) const {
  std::uint32_t index = heads_[hash & (heads_.size() - 1)];
  while (index != kNone && nodes_[index].hash != hash) index = nodes_[index].chain;
  return index;
}

std::uint32_t RateLimit::make_room() {
  if (nodes_.size() < max_keys_) {
    nodes_.emplace_back();
    return static_cast<std::uint32_t>(nodes_.size() - 1);
  }
  const std::uint32_t index = oldest_;
  unlink(index);
  unchain(index);
  return index;
}

void RateLimit::unchain(std::uint32_t index) {
  std::uint32_t* at = &head_of(nodes_[index].hash);
  while (*at != index) at = &nodes_[*at].chain;
  *at = nodes_[index].chain;
}

void RateLimit::link_as_newest(std::uint32_t index) {
  Node& node = nodes_[index];
  node.older = newest_;
  node.newer = kNone;
  (newest_ != kNone ? nodes_[newest_].newer : oldest_) = index;
  newest_ = index;
}

void RateLimit::unlink(std::uint32_t index) {
  const Node& node = nodes_[index];
  (node.older != kNone ? nodes_[node.older].newer : oldest_) = node.newer;
  (node.newer != kNone ? nodes_[node.newer].older : newest_) = node.older;
}

}  // namespace outrigger::policy
