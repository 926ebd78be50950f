// A value per slot and what all of them come to: their sum, or the first of them.
//
// A complete binary tree in one array; each inner node joins its two children. Setting a slot,
// asking for the whole and finding a slot by weight take log n steps and no allocation, so that
// the balancer can leave slots out and take them back per request, whatever the cluster's size.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace outrigger::policy {

// Join has `Value operator()(const Value&, const Value&)`; `Value{}` is what an empty slot holds.
template <class Value, class Join>
class SlotTree {
 public:
  std::uint32_t capacity() const { return static_cast<std::uint32_t>(nodes_.size() / 2); }

  // Makes room for slots 0..slots-1. The only call that allocates.
  void grow(std::uint32_t slots) {
    if (slots <= capacity()) return;
    const auto leaves = std::bit_ceil(slots);
    std::vector<Value> nodes(2 * std::size_t{leaves});
    std::copy(nodes_.begin() + capacity(), nodes_.end(), nodes.begin() + leaves);
    nodes_ = std::move(nodes);
    for (std::uint32_t i = leaves - 1; i >= 1; --i) join(i);
  }

  // `slot` < capacity().
  void set(std::uint32_t slot, Value value) {
    std::uint32_t i = capacity() + slot;
    nodes_[i] = value;
    for (i /= 2; i >= 1; i /= 2) join(i);
  }

  const Value& at(std::uint32_t slot) const { return nodes_[capacity() + slot]; }
  Value whole() const { return nodes_.empty() ? Value{} : nodes_[1]; }

 protected:
  const Value& node(std::uint32_t i) const { return nodes_[i]; }

 private:
  void join(std::uint32_t i) { nodes_[i] = Join{}(nodes_[2 * i], nodes_[2 * i + 1]); }

  std::vector<Value> nodes_;  // [1] is the root, the second half the slots
};

// Weights, and the slot in which a point of their sum falls.
class WeightTree : public SlotTree<std::uint64_t, std::plus<std::uint64_t>> {
 public:
  // `point` < whole().
  std::uint32_t find(std::uint64_t point) const {
    std::uint32_t i = 1;
    while (i < capacity()) {
      i *= 2;
      if (point >= node(i)) point -= node(i++);
    }
    return i - capacity();
  }
  // The sum of the weights before `slot`.
  std::uint64_t before(std::uint32_t slot) const {
    std::uint64_t sum = 0;
    for (std::uint32_t i = capacity() + slot; i > 1; i /= 2) {
      if (i % 2 == 1) sum += node(i - 1);
    }
    return sum;
  }
};

// When each slot's turn comes, and whose is first; of two at once the lower slot's.
struct Turn {
  std::uint64_t due = 0;  // compared modulo 2^64: no two are further apart than 2^63
  std::uint32_t slot = 0;
  bool taken = false;  // false: an empty slot
};

struct EarlierTurn {
  Turn operator()(const Turn& a, const Turn& b) const {
    if (!a.taken || !b.taken) return a.taken ? a : b;
    return static_cast<std::int64_t>(b.due - a.due) >= 0 ? a : b;  // a is the lower slot
  }
};

using TurnTree = SlotTree<Turn, EarlierTurn>;

}  // namespace outrigger::policy
