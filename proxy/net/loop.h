// One event loop, its clock, its timers and what it does between two polls.
//
// Everything but post() belongs to the thread that runs it. What was made on a loop may outlive it:
// it is then closed and does nothing more, and only its destructor may be called.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "proxy/base/buffered_bytes.h"
#include "proxy/base/time.h"
#include "proxy/net/deferred.h"
#include "proxy/net/ready_streams.h"
#include "proxy/net/write_batch.h"

struct uv_loop_s;
using uv_loop_t = uv_loop_s;

namespace outrigger::net {

class Dependent;
class Timer;
struct WriteQueue;

class Loop {
 public:
  // Of the buffer that all reads of a loop share.
  static constexpr std::size_t kReadBuffer = 128 * 1024;
  // Before it, so that a new head fits before the body that came with a shorter one.
  static constexpr std::size_t kHeadroom = 1024;
  // Of what is put before a body there: a copy of more costs what it saves (GatherStore).
  static constexpr std::size_t kMostPutBefore = 4096;
  // Tasks that other threads may have posted and the loop has not run: more means that it is dead.
  static constexpr std::size_t kMaxPosted = 64 * 1024;
  // Write queues that are kept for the next stream that needs one.
  static constexpr std::size_t kSpareWriteQueues = 64;
  // Reads of a turn from which on the next is taken to be as long, so that it pays to gather
  // writes.
  static constexpr int kLongTurn = 16;
  // Rounds of deferred tasks between two polls; what is left waits for the next turn.
  static constexpr int kMaxDeferredRounds = 64;

  // Makes the process ignore SIGPIPE: libuv writes with write(2).
  Loop();
  // Closes every handle and runs the loop until all closes are through; it waits for a name
  // resolution that a thread has begun. Tasks posted or deferred and not yet run do not run.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Until stop(), also when there is nothing to do.
  void run();
  // From this loop's thread: run() returns at the end of the turn.
  void stop();
  // One turn: polls without waiting, or until something happens. For tests and for draining.
  void run_once(bool may_wait);

  // CLOCK_MONOTONIC, read at most once a turn. Outside of run() each call reads.
  TimePoint now() {
    if (time_.stale) refresh_time();
    return time_.at;
  }
  const ReadTime& read_time() const { return time_; }
  // Polls begun.
  std::uint64_t poll_number() const { return polls_; }
  // Whether what is read now had come before that poll returned. No longer told once libuv has
  // polled again within the turn, as it does, without a word, after 1,024 events.
  bool is_of_poll(std::uint64_t number) const { return number == polls_ && !polled_again_; }
  // After work that took long, so that timers armed by it are not early.
  void refresh_time();

  // `task` runs after the current callback and before the loop polls again; a task that is pending
  // already stays where it is. Never allocates.
  void defer(Deferred& task);
  // When all that this poll has found readable was read: for what those reads may make room for.
  void defer_until_read(Deferred& task);
  // Destroys `object` in the same place, after the deferred tasks.
  void retire(std::unique_ptr<Retirable> object);

  // From any thread: `task` runs on the loop's thread. For control and workers, not per request.
  void post(std::function<void()> task);

  // From any thread: what when_woken() was given runs on the loop's thread, once for all wakes that
  // came before.
  void wake();
  void when_woken(Deferred& task) { when_woken_ = &task; }

  // Where its streams' write queues are counted; null: nowhere. Before any stream is made.
  void count_buffered(BufferedBytes* count) { buffered_ = count; }
  BufferedBytes* buffered() const { return buffered_; }

  uv_loop_t* native();
  // What has no handle and must be told when the loop ends; it leaves the list when destroyed.
  void attach(Dependent& dependent);

 private:
  friend class Timer;
  friend class Transport;
  struct Native;

  // For streams that the kernel takes no more from: few at a time, so the loop keeps some.
  std::unique_ptr<WriteQueue> take_write_queue();
  void keep_write_queue(std::unique_ptr<WriteQueue> queue);

  // What a read callback gets lies in here, until the callback returns.
  std::span<char> read_buffer();
  // Where `second` lies in the read buffer: copies `first` over what was read right before it, and
  // gives both as one. Else, and where it is too long or does not fit, empty.
  std::string_view put_before(std::string_view first, std::string_view second);
  // What has been read before `piece`, if that lies in the read buffer, is nobody's from now on.
  // Seen to by AddressSanitizer, until the next read.
  void give_up_before(std::string_view piece);
  std::size_t before_in_read_buffer(std::string_view piece) const;  // 0: it is not there

  void turn(int mode);
  void arm(Timer& timer, TimePoint at);
  void disarm(Timer& timer);
  void wake_for_timers();
  void fire_timers();
  void before_poll();
  void after_poll();
  void read_ready();
  // Where one of the ready was found once more, or there is no place for another.
  void read_ready_amid_polls();
  static void run_all(ListNode& deferred);
  void run_deferred() { run_all(deferred_); }
  void between_polls();
  void run_posted();

  std::unique_ptr<Native> native_;
  std::unique_ptr<char[]> read_buffer_;
  BufferedBytes* buffered_ = nullptr;
  ReadyStreams ready_;
  WriteBatch batch_;
  int reads_ = 0;  // of this turn
  std::uint64_t polls_ = 0;
  bool turn_is_long_ = false;
  bool polled_again_ = false;  // in this turn, for all that is known
  Deferred* when_woken_ = nullptr;
  ReadTime time_;
  bool running_ = false;
  bool once_ = false;
  TimePoint wake_at_ = kNever;
  bool firing_ = false;
  ListNode deferred_;
  ListNode deferred_until_read_;
  ListNode dependents_;
  std::vector<std::unique_ptr<Retirable>> graveyard_;
  std::vector<std::unique_ptr<Retirable>> dying_;
  int lingering_ = 0;  // counted by Transport
};

}  // namespace outrigger::net
