// Bytes that wait in memory for somebody (write queues, kept bodies, unfinished heads), counted
// over the whole process against a bound.
//
// Who holds such bytes has a BufferCharge and says how many there are whenever that changes. Where
// nothing is held nothing is counted, so that steady traffic pays a comparison.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace outrigger {

class BufferedBytes {
 public:
  // At so many times the bound nothing is held that can be helped: queues are to run empty before
  // more is read for them, and no bodies are kept for another try.
  static constexpr std::uint64_t kScarce = 2;
  static constexpr std::uint64_t kHolders = 64;
  static constexpr std::uint64_t kLeastShare = 4 * 1024;

  void set_bound(std::uint64_t bound) { bound_.store(bound, std::memory_order_relaxed); }
  std::uint64_t bound() const { return bound_.load(std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }
  bool scarce() const { return value() / kScarce >= bound(); }
  // What one holder may come to hold: a part of what is left, so that the first of many that do not
  // read cannot use it all up and have everybody shed. Never too little to go on with.
  std::size_t share() const {
    const std::uint64_t left = bound() - std::min(value(), bound());
    return static_cast<std::size_t>(std::max(left / kHolders, kLeastShare));
  }

 private:
  friend class BufferCharge;
  std::atomic<std::uint64_t> value_{0};
  std::atomic<std::uint64_t> bound_{UINT64_MAX};
};

class BufferCharge {
 public:
  // Null: counted nowhere. `count` outlives it.
  explicit BufferCharge(BufferedBytes* count = nullptr) : count_(count) {}
  BufferCharge(const BufferCharge&) = delete;
  BufferCharge& operator=(const BufferCharge&) = delete;
  ~BufferCharge() { set(0); }

  void move_to(BufferedBytes* count) {
    set(0);
    count_ = count;
  }
  void set(std::size_t bytes) {
    if (bytes == charged_ || !count_) return;
    count_->value_.fetch_add(bytes - charged_, std::memory_order_relaxed);  // modulo 2^64
    charged_ = bytes;
  }

 private:
  BufferedBytes* count_;
  std::size_t charged_ = 0;
};

}  // namespace outrigger
