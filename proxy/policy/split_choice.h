// Which upstream of a split gets a request: by weight.
//
// The weights divide a line; a number of 64 bits is a place on it. Drawn at random it gives each
// its share, made of a caller's key it keeps the caller where it is, and a change of weights moves
// only the callers between the old border and the new one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "config/model.h"

namespace outrigger::policy {

class SplitChoice {
 public:
  // At least one weight is above 0.
  explicit SplitChoice(const std::vector<config::SplitTarget>& targets);

  // The index of a target. `random` is uniform.
  std::size_t pick(std::uint64_t random) const;
  // The same for a hash, also one whose bits something else divides by.
  std::size_t pick_for(std::uint64_t hash) const;

 private:
  std::vector<std::uint64_t> borders_;  // where each target's part ends
};

}  // namespace outrigger::policy
