#include "proxy/policy/maglev.h"

#include <algorithm>

#include "proxy/policy/stable_hash.h"

namespace outrigger::policy {
namespace {

constexpr std::uint32_t kFree = UINT32_MAX;

// An endpoint that fills the table: its wishes are the multiples of a stride from an offset, which
// in a table of prime size are all entries once.
struct Filler {
  std::uint32_t slot;
  std::uint32_t weight;
  std::uint64_t key;
  std::size_t wish;
  std::size_t stride;
  std::uint64_t credit = 0;  // an entry costs the greatest weight; each round pays one's own
};

std::vector<Filler> fillers_of(std::span<const HashMember> members) {
  std::vector<Filler> fillers;
  for (const auto& member : members) {
    fillers.push_back({.slot = member.slot,
                       .weight = member.weight,
                       .key = member.key,
                       .wish = StableHash::of(member.key, 1) % Maglev::kEntries,
                       .stride = StableHash::of(member.key, 2) % (Maglev::kEntries - 1) + 1});
  }
  // By address and not by slot, so that the table is the same in every sidecar.
  std::ranges::sort(fillers, {}, &Filler::key);
  return fillers;
}

}  // namespace

Maglev::Maglev(std::span<const HashMember> members) {
  if (members.empty()) return;
  auto fillers = fillers_of(members);
  const std::uint64_t price = std::ranges::max_element(fillers, {}, &Filler::weight)->weight;
  slots_.assign(kEntries, kFree);
  for (std::size_t left = kEntries; left > 0;) {
    for (Filler& filler : fillers) {
      filler.credit += filler.weight;
      if (filler.credit < price) continue;
      filler.credit -= price;
      while (slots_[filler.wish] != kFree) filler.wish = (filler.wish + filler.stride) % kEntries;
      slots_[filler.wish] = filler.slot;
      if (--left == 0) break;
    }
  }
}

}  // namespace outrigger::policy
