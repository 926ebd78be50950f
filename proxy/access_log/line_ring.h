// Lines on their way from one worker to the writer's thread, in a ring of fixed size.
//
// One thread puts lines in and one takes them out, without a lock: each moves its own index, and a
// line is seen when it is whole. A line stands in one piece: where it does not fit before the end
// of the memory, it begins at its start. Where it fits nowhere it is lost, and counted; nobody
// waits.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "proxy/base/check.h"

namespace outrigger::access_log {

class LineRing {
 public:
  static constexpr std::size_t kSize = 512 * 1024;

  // A line may be as long as `max_line`.
  explicit LineRing(std::size_t max_line, std::size_t size = kSize)
      : size_(size), max_line_(max_line), memory_(new char[size]) {
    INVARIANT(max_line < size / 4);
  }

  // By the worker.

  // Where the next line may be written; null: it is lost.
  char* begin_line() {
    const std::size_t read = read_.load(std::memory_order_acquire);
    place_ = place_for(read);
    if (place_ == kNowhere) {
      lost_.store(lost_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      return nullptr;
    }
    used_ = write_ >= read ? write_ - read : size_ - read + write_;
    return memory_.get() + place_;
  }
  // After begin_line() has given a place. True where a quarter is full and the writer had better
  // be told: once, until it looks again.
  bool end_line(std::size_t length) {
    if (place_ != write_) wrapped_at_.store(write_, std::memory_order_relaxed);
    write_ = place_ + length;
    written_.store(write_, std::memory_order_release);
    if (used_ + length < size_ / 4 || told_.load(std::memory_order_relaxed)) return false;
    told_.store(true, std::memory_order_relaxed);
    return true;
  }

  // By the writer.

  // Whole lines, the oldest first; empty: there are none. Stays until take().
  std::string_view lines() {
    const std::size_t written = written_.load(std::memory_order_acquire);
    std::size_t read = read_.load(std::memory_order_relaxed);
    std::size_t end = written;
    if (written < read) {
      end = wrapped_at_.load(std::memory_order_relaxed);
      if (read == end) {
        read = 0;
        end = written;
        read_.store(read, std::memory_order_release);
      }
    }
    return {memory_.get() + read, end - read};
  }
  void take(std::size_t bytes) {
    read_.store(read_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
  }
  void look_again() { told_.store(false, std::memory_order_relaxed); }

  // From any thread.
  std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kNowhere = SIZE_MAX;

  // The index that is behind never meets the one before it: equal ones mean that it is empty. One
  // that is empty begins anew once half of it is free before the writer's place, so that little
  // traffic stays in half of the memory and there is room for what comes at once.
  std::size_t place_for(std::size_t read) const {
    if (write_ < read) return read - write_ > max_line_ ? write_ : kNowhere;
    if (write_ == read && read >= size_ / 2) return 0;
    if (size_ - write_ >= max_line_) return write_;
    return read > max_line_ ? 0 : kNowhere;
  }

  const std::size_t size_;
  const std::size_t max_line_;
  const std::unique_ptr<char[]> memory_;  // not touched before it is used
  // The worker's own.
  std::size_t write_ = 0;
  std::size_t place_ = 0;
  std::size_t used_ = 0;
  std::atomic<std::uint64_t> lost_{0};
  // Where the lines end; at wrapped_at_ those that stand before the start ones. Both written by the
  // worker.
  std::atomic<std::size_t> written_{0};
  std::atomic<std::size_t> wrapped_at_{0};
  std::atomic<bool> told_{false};
  alignas(64) std::atomic<std::size_t> read_{0};  // by the writer
};

}  // namespace outrigger::access_log
