#include "proxy/net/loop.h"

#include <uv.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <ctime>
#include <mutex>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include "proxy/base/check.h"
#include "proxy/base/pool.h"
#include "proxy/net/handle.h"
#include "proxy/net/timer.h"
#include "proxy/net/transport.h"

namespace outrigger::net {
namespace {

using std::chrono::milliseconds;

TimePoint read_clock() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return TimePoint{std::chrono::seconds{time.tv_sec} + Duration{time.tv_nsec}};
}

// Whether the memory may be looked at: AddressSanitizer sees to it.
#if defined(__SANITIZE_ADDRESS__)
void forbid(const char* from, std::size_t size) {
  __asan_poison_memory_region(from, size);
}
void allow(const char* from, std::size_t size) {
  __asan_unpoison_memory_region(from, size);
}
#else
void forbid(const char*, std::size_t) {}
void allow(const char*, std::size_t) {}
#endif

template <class UvHandle>
Loop& loop_of(const UvHandle* handle) {
  return *static_cast<Loop*>(handle->loop->data);
}

// Its data stays null, which tells it from a HandleBlock's.
template <class UvHandle>
void close_own(UvHandle& handle) {
  uv_close(reinterpret_cast<uv_handle_t*>(&handle), nullptr);
}

}  // namespace

struct Loop::Native {
  uv_loop_t loop{};
  uv_prepare_t prepare{};
  uv_check_t check{};
  uv_timer_t timer{};
  uv_async_t posted_wake{};
  TimerWheel wheel{read_clock()};

  std::mutex mutex;
  std::vector<std::function<void()>> posted;  // under the mutex
  std::vector<std::function<void()>> posted_running;

  Pool<WriteQueue, kSpareWriteQueues> write_queues;
};

Loop::Loop()
    : native_(std::make_unique<Native>()), read_buffer_(new char[kHeadroom + kReadBuffer]) {
  std::signal(SIGPIPE, SIG_IGN);
  Native& native = *native_;
  INVARIANT(uv_loop_init(&native.loop) == 0);
  native.loop.data = this;
  uv_prepare_init(&native.loop, &native.prepare);
  uv_check_init(&native.loop, &native.check);
  uv_timer_init(&native.loop, &native.timer);
  INVARIANT(uv_async_init(&native.loop, &native.posted_wake,
                          [](uv_async_t* async) { loop_of(async).run_posted(); }) == 0);
  uv_prepare_start(&native.prepare, [](uv_prepare_t* prepare) { loop_of(prepare).before_poll(); });
  uv_check_start(&native.check, [](uv_check_t* check) { loop_of(check).after_poll(); });
}

Loop::~Loop() {
  Native& native = *native_;
  {
    const std::lock_guard lock{native.mutex};
    native.posted_running.swap(native.posted);
  }
  native.posted_running.clear();
  deferred_.unlink_all();
  deferred_until_read_.unlink_all();
  while (!graveyard_.empty()) {
    dying_.swap(graveyard_);
    dying_.clear();
  }
  native.wheel.clear();
  while (ListNode* node = dependents_.first()) {
    node->unlink();
    static_cast<Dependent*>(node)->on_loop_end();
  }
  const auto end = [](uv_handle_t* handle, void*) {
    if (handle->data != nullptr) HandleBlock::of(*handle).on_loop_end();
  };
  uv_walk(&native.loop, end, nullptr);
  close_own(native.prepare);
  close_own(native.check);
  close_own(native.timer);
  close_own(native.posted_wake);
  while (uv_run(&native.loop, UV_RUN_DEFAULT) != 0) continue;
  INVARIANT(uv_loop_close(&native.loop) == 0);
}

void Loop::run() {
  turn(UV_RUN_DEFAULT);
}

void Loop::run_once(bool may_wait) {
  once_ = true;
  turn(may_wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
  once_ = false;
}

void Loop::turn(int mode) {
  INVARIANT(!running_);
  running_ = time_.stale = true;
  uv_run(&native_->loop, static_cast<uv_run_mode>(mode));
  batch_.send();  // of timers that fired last
  running_ = false;
  time_.stale = true;
}

void Loop::stop() {
  uv_stop(&native_->loop);
}

void Loop::refresh_time() {
  time_ = {.at = read_clock(), .stale = !running_};
}

void Loop::defer(Deferred& task) {
  if (!task.pending()) deferred_.append(task);
}

void Loop::retire(std::unique_ptr<Retirable> object) {
  if (object) graveyard_.push_back(std::move(object));
}

void Loop::before_poll() {
  const bool had_work = deferred_.linked() || !graveyard_.empty();
  between_polls();
  if (had_work && once_) stop();  // something has happened: polls, but does not wait
  turn_is_long_ = std::exchange(reads_, 0) >= kLongTurn;
  ++polls_;
  polled_again_ = false;
  time_.stale = true;
}

// What is deferred meanwhile waits for the next time.
void Loop::run_all(ListNode& deferred) {
  ListNode batch;
  batch.append_all(deferred);
  while (ListNode* node = batch.first()) {
    node->unlink();
    static_cast<Deferred*>(node)->run_deferred();
  }
}

void Loop::defer_until_read(Deferred& task) {
  if (!task.pending()) deferred_until_read_.append(task);
}

void Loop::after_poll() {
  read_ready();
  run_all(deferred_until_read_);
  between_polls();
}

void Loop::read_ready_amid_polls() {
  read_ready();
  polled_again_ = true;
}

// What a read has deferred finds its data still warm. After all other callbacks it is done at the
// latest before the next poll.
void Loop::read_ready() {
  ready_.take_all([this](Transport& transport) {
    ++reads_;
    transport.read();
    if (deferred_.linked()) run_deferred();
  });
}

void Loop::between_polls() {
  for (int round = 0; round < kMaxDeferredRounds; ++round) {
    if (!deferred_.linked() && graveyard_.empty() && batch_.empty()) return;
    run_deferred();
    batch_.send();
    dying_.swap(graveyard_);
    dying_.clear();
  }
  uv_async_send(&native_->posted_wake);  // so that the next poll does not wait
}

void Loop::post(std::function<void()> task) {
  Native& native = *native_;
  // Sent under the lock: a task may be what lets another thread destroy this loop.
  const std::lock_guard lock{native.mutex};
  INVARIANT(native.posted.size() < kMaxPosted);
  native.posted.push_back(std::move(task));
  if (native.posted.size() == 1) uv_async_send(&native.posted_wake);
}

void Loop::run_posted() {
  Native& native = *native_;
  {
    const std::lock_guard lock{native.mutex};
    native.posted_running.swap(native.posted);
  }
  batch_.send();  // a task may take long
  for (auto& task : native.posted_running) task();
  native.posted_running.clear();
  if (when_woken_) defer(*when_woken_);
}

void Loop::wake() {
  uv_async_send(&native_->posted_wake);
}

void Loop::attach(Dependent& dependent) {
  dependents_.append(dependent);
}

void Loop::arm(Timer& timer, TimePoint at) {
  if (at == kNever) return disarm(timer);
  native_->wheel.arm(timer, at);
  if (at < wake_at_ && !firing_) wake_for_timers();
}

// The wake-up stays: it will find nothing, once, which costs less than to move it each time.
void Loop::disarm(Timer& timer) {
  native_->wheel.disarm(timer);
}

void Loop::wake_for_timers() {
  wake_at_ = native_->wheel.next_wake();
  if (wake_at_ == kNever) return;
  // Both clocks are CLOCK_MONOTONIC; libuv's is cut to milliseconds, so rounding up is never early.
  const auto at = std::chrono::ceil<milliseconds>(wake_at_.time_since_epoch()).count();
  const auto now = static_cast<milliseconds::rep>(uv_now(&native_->loop));
  // Not 0 from within its own callback: libuv would call it again before it polls.
  const milliseconds::rep least = firing_ ? 1 : 0;
  uv_timer_start(
      &native_->timer, [](uv_timer_t* timer) { loop_of(timer).fire_timers(); },
      static_cast<std::uint64_t>(std::max(at - now, least)), 0);
}

void Loop::fire_timers() {
  refresh_time();  // an earlier reading of this turn may lie before what libuv woke for
  firing_ = true;
  TimerWheel& wheel = native_->wheel;
  wheel.expire(time_.at);
  while (TimerNode* node = wheel.take_ready()) {
    auto& timer = static_cast<Timer&>(*node);
    timer.events_.on_timer(timer);
  }
  wake_for_timers();
  firing_ = false;
}

std::unique_ptr<WriteQueue> Loop::take_write_queue() {
  auto queue = native_->write_queues.take();
  queue->charge.move_to(buffered_);
  return queue;
}

void Loop::keep_write_queue(std::unique_ptr<WriteQueue> queue) {
  queue->charge.set(0);
  native_->write_queues.keep(std::move(queue));
}

std::span<char> Loop::read_buffer() {
  allow(read_buffer_.get(), kHeadroom + kReadBuffer);
  return {read_buffer_.get() + kHeadroom, kReadBuffer};
}

// As numbers: what lies elsewhere, or before the buffer and so wraps, is too far.
std::size_t Loop::before_in_read_buffer(std::string_view piece) const {
  const auto at = reinterpret_cast<std::uintptr_t>(piece.data());
  const std::uintptr_t before = at - reinterpret_cast<std::uintptr_t>(read_buffer_.get());
  return before < kHeadroom + kReadBuffer ? before : 0;
}

void Loop::give_up_before(std::string_view piece) {
  forbid(read_buffer_.get(), before_in_read_buffer(piece));
}

std::string_view Loop::put_before(std::string_view first, std::string_view second) {
  const std::size_t before = before_in_read_buffer(second);
  if (first.empty() || first.size() > std::min(before, kMostPutBefore)) return {};
  char* const to = read_buffer_.get() + before - first.size();
  std::memcpy(to, first.data(), first.size());
  return {to, first.size() + second.size()};
}

uv_loop_t* Loop::native() {
  return &native_->loop;
}

}  // namespace outrigger::net
