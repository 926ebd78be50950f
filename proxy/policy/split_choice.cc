#include "proxy/policy/split_choice.h"

#include <algorithm>

#include "proxy/base/check.h"

namespace outrigger::policy {

SplitChoice::SplitChoice(const std::vector<config::SplitTarget>& targets) {
  std::uint64_t end = 0;
  for (const config::SplitTarget& target : targets) borders_.push_back(end += target.weight);
  INVARIANT(end > 0);
}

std::size_t SplitChoice::pick(std::uint64_t random) const {
  __extension__ using Wide = unsigned __int128;
  const auto place = static_cast<std::uint64_t>((Wide{random} * borders_.back()) >> 64);
  return static_cast<std::size_t>(std::ranges::upper_bound(borders_, place) - borders_.begin());
}

// Mixed anew (Stafford's variant 13), so that the callers of one target are not those of one part
// of its balancer's ring.
std::size_t SplitChoice::pick_for(std::uint64_t hash) const {
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return pick(hash ^ (hash >> 31));
}

}  // namespace outrigger::policy
