#include "proxy/policy/ring_hash.h"

#include <algorithm>

#include "proxy/policy/stable_hash.h"

namespace outrigger::policy {
namespace {

struct Point {
  std::uint64_t at;
  std::uint64_t key;  // decides between equal points, so that slots never do
  std::uint32_t slot;
};

std::uint64_t points_of(const HashMember& member, std::uint32_t heaviest) {
  const auto points = (std::uint64_t{RingHash::kPoints} * member.weight + heaviest - 1) / heaviest;
  return std::max<std::uint64_t>(points, 1);
}

}  // namespace

RingHash::RingHash(std::span<const HashMember> members) {
  std::uint32_t heaviest = 1;
  for (const auto& member : members) heaviest = std::max(heaviest, member.weight);
  std::vector<Point> points;
  for (const auto& member : members) {
    for (std::uint64_t i = 0; i < points_of(member, heaviest); ++i) {
      points.push_back({StableHash::of(member.key, i), member.key, member.slot});
    }
  }
  std::ranges::sort(points, [](const Point& a, const Point& b) {
    return a.at != b.at ? a.at < b.at : a.key < b.key;
  });
  points_.reserve(points.size());
  slots_.reserve(points.size());
  for (const Point& point : points) {
    points_.push_back(point.at);
    slots_.push_back(point.slot);
  }
}

std::size_t RingHash::position(std::uint64_t hash) const {
  const auto next = std::ranges::lower_bound(points_, hash);
  return next == points_.end() ? 0 : static_cast<std::size_t>(next - points_.begin());
}

}  // namespace outrigger::policy
