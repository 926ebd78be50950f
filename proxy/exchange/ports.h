// The few seams of an exchange: who asks (Caller), who is asked (Upstream, Attempt), and the
// loop that runs both (Scheduler).
//
// Downstream and upstream implement them; the simulation implements Caller and Scheduler anew and
// runs the real rest. A port never calls back from inside the call that armed it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "proxy/base/time.h"
#include "proxy/exchange/failure.h"
#include "proxy/exchange/record.h"
#include "proxy/http/message.h"
#include "proxy/http/writer.h"
#include "proxy/policy/outcome.h"
#include "proxy/policy/shedding.h"

namespace outrigger::exchange {

// Something to be done soon, on its own loop, after the current callback. Intrusive: scheduling
// allocates nothing. Destroying it takes it off the list; what other workers may schedule must have
// been cancelled through its Scheduler by then.
class Task {
 public:
  Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  virtual ~Task() { unlink(); }
  virtual void run() = 0;

  bool scheduled() const { return previous_ != nullptr; }
  void unlink() {
    if (!scheduled()) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = nullptr;
  }

 private:
  friend class TaskList;
  Task* previous_ = nullptr;
  Task* next_ = nullptr;
};

// First in, first out. run_all() also runs what is scheduled meanwhile.
class TaskList {
 public:
  TaskList() { head_.previous_ = head_.next_ = &head_; }
  ~TaskList() {
    while (head_.next_ != &head_) head_.next_->unlink();
    head_.previous_ = head_.next_ = nullptr;
  }
  bool empty() const { return head_.next_ == &head_; }
  void add(Task& task) {
    if (task.scheduled()) return;
    task.previous_ = head_.previous_;
    task.next_ = &head_;
    head_.previous_->next_ = &task;
    head_.previous_ = &task;
  }
  // All of the other list, behind its own.
  void take(TaskList& other) {
    if (other.empty()) return;
    other.head_.next_->previous_ = head_.previous_;
    other.head_.previous_->next_ = &head_;
    head_.previous_->next_ = other.head_.next_;
    head_.previous_ = other.head_.previous_;
    other.head_.previous_ = other.head_.next_ = &other.head_;
  }
  void run_all() {
    while (!empty()) {
      Task& task = *head_.next_;
      task.unlink();
      task.run();
    }
  }

 private:
  struct Head : Task {
    void run() override {}
  } head_;
};

// One worker's loop, as far as an exchange or a cluster needs it.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  TimePoint now() { return time_ && !time_->stale ? time_->at : read_clock(); }
  // For what others write as a date. Seconds since 1970, UTC.
  virtual std::int64_t unix_seconds() = 0;
  // From any thread, for a task that nobody else schedules meanwhile. Its own thread runs it.
  virtual void soon(Task& task) = 0;
  // On its own thread: what was scheduled does not run. The caller has seen to it that nobody
  // schedules it any more.
  virtual void cancel(Task& task) { task.unlink(); }
  // Which of the workers this is, from 0.
  virtual std::uint32_t worker() const { return 0; }

 protected:
  // Where what was read in this turn is found, if anywhere: now() is asked some twenty times a
  // request.
  void remember_time(const ReadTime& time) { time_ = &time; }

 private:
  virtual TimePoint read_clock() = 0;

  const ReadTime* time_ = nullptr;
};

// How much there is to do for one worker. Asked once a request.
class LoadMeter {
 public:
  virtual ~LoadMeter() = default;
  virtual policy::Load load(TimePoint now) = 0;
};

// Who is asked.

// Why a try was not begun.
struct Refusal {
  FailureKind kind = FailureKind::None;
  LimitKind limit = LimitKind::None;
  Duration retry_after{};  // of an open breaker
};

// What a try tells its exchange. After on_try_refused, on_try_failed, on_try_end or
// on_try_broken nothing more comes.
class AttemptEvents {
 public:
  virtual ~AttemptEvents() = default;
  virtual void on_try_started(std::uint32_t endpoint) = 0;  // after it had waited for its place
  virtual void on_try_refused(const Refusal& refusal) = 0;  // the same, when its turn came
  // Connected, the head is written; body bytes may follow now.
  virtual void on_try_ready() = 0;
  virtual void on_try_failed(const policy::TryEnd& end) = 0;
  // The views of `head` live during the call, and not beyond a flush() of body bytes that came with
  // it. Informational heads may come before the final one.
  // `end` is what policies hear of it; for the final head only.
  virtual void on_try_head(const http::ResponseHead& head, const policy::TryEnd& end) = 0;
  virtual void on_try_body(std::string_view bytes) = 0;
  virtual void on_try_end(const http::Headers* trailers) = 0;
  virtual void on_try_broken() = 0;     // the body broke off
  virtual void on_try_read_done() = 0;  // all of one read has been told: flush
  virtual void on_try_writable() = 0;   // send_body() may go on
};

// One try at one endpoint. Settles its admission with the cluster by itself: at the response
// head, the failure or its cancellation, exactly once.
class Attempt {
 public:
  // The bytes stay valid until the next flush() or send_end(), which write all at once; what was
  // read before them may be overwritten then.
  virtual void send_body(std::string_view bytes) = 0;
  virtual void send_end(const http::Headers* trailers) = 0;
  virtual bool flush() = 0;  // false: congested, wait for on_try_writable
  virtual void pause_response() = 0;
  virtual void resume_response() = 0;
  virtual bool connected() const = 0;
  virtual bool any_sent() const = 0;  // of the request; connected
  virtual std::uint32_t endpoint() const = 0;
  virtual std::string_view address() const = 0;  // the endpoint's, while the try has its place
  // Ends the try: what has not been settled is settled as `outcome`. A response that has begun is
  // read to its end and dropped where it is short, so that its connection can be used again.
  virtual void end(policy::TryOutcome outcome) = 0;

 protected:
  friend struct AttemptRelease;
  virtual ~Attempt() = default;
  virtual void release() = 0;  // back to its pool; cancels what is not ended
};

struct AttemptRelease {
  void operator()(Attempt* attempt) const { attempt->release(); }
};
using AttemptPtr = std::unique_ptr<Attempt, AttemptRelease>;

// What an exchange says of the try it wants. Everything referred to outlives the try.
struct TryRequest {
  const http::RequestHead* head = nullptr;
  http::RequestAdditions additions;
  TryKind kind = TryKind::First;
  bool repeatable = false;        // may be sent again after it may have been processed
  bool at_once = false;           // sent again where its connection proves stale: may go at once
  bool fresh_connection = false;  // a pooled one proved stale
  bool prefer_untried = true;     // retry.other_endpoint
  bool elsewhere = false;         // only an endpoint not in `tried`
  bool upgrade = false;
  bool may_queue = true;
  std::optional<std::uint64_t> hash;  // by the upstream's load_balancer.hash_on
  config::Criticality criticality = config::Criticality::Normal;
  std::span<const std::uint32_t> tried;  // endpoints this exchange has used
  TimePoint deadline = kNever;           // of the exchange: when an unanswered probe is given up
  TimePoint told_deadline = kNever;      // the upstream is told how long it is until then
  TimePoint complete_at{};               // its last byte had arrived; kNever: it has not yet
};

enum class Start : std::uint8_t { Running, Queued, Refused };

struct StartResult {
  Start start = Start::Refused;
  AttemptPtr attempt;  // unless refused
  Refusal refusal;
};

// A cluster as one worker's exchanges see it.
class Upstream {
 public:
  virtual ~Upstream() = default;
  // Passes the try through bulkhead, breaker and balancer, in this order.
  virtual StartResult start(const TryRequest& request, AttemptEvents& events) = 0;
  virtual bool other_endpoint_usable(std::span<const std::uint32_t> tried) = 0;
  virtual bool breaker_refuses() = 0;
  // Of the recent times to the head; empty: too few are known. `percentile` from 50 to 99.
  virtual std::optional<Duration> latency_percentile(std::uint32_t percentile) = 0;
  virtual bool withdraw_retry() = 0;  // from the retry budget
  virtual void refund_retry() = 0;    // it was not begun
};

// Who asks.

// What the caller is told when no upstream's response is passed on.
struct LocalReply {
  int status = 503;
  std::string_view error;  // RFC 9209 type; empty for `respond`
  std::string_view reason;
  std::string_view body;
  std::uint32_t retry_after_s = 0;  // 0: none
  bool refused_elsewhere = false;   // inbound: a sibling may be asked, nothing was processed here
  bool fallback = false;            // the answer of a route's fallback, in place of `reason`'s
  bool retry_no = false;            // inbound: shed or rate-limited, a sibling would be no better
  std::span<const std::pair<std::string, std::string>> headers;  // of `respond`
};

class Caller {
 public:
  virtual ~Caller() = default;
  // The exchange's one timer: on_time() at `at`; a later call moves it, kNever disarms it.
  virtual void wake_at(TimePoint at) = 0;
  virtual void send_informational(const http::ResponseHead& head) = 0;
  // Kept until flush() or send_end(), so that head and body leave in one write.
  // Whether the connection is kept after it is the caller's side's to decide, which knows how
  // much of the request is still to come.
  // `fallback_reason`: the head is a fallback upstream's, asked for that reason; else empty.
  virtual void send_head(const http::ResponseHead& head, std::string_view fallback_reason) = 0;
  // The bytes stay valid until the next flush() or send_end(), which write all at once; what was
  // read before them may be overwritten then.
  virtual void send_body(std::string_view bytes) = 0;
  virtual void send_end(const http::Headers* trailers) = 0;
  // How many bytes its body has.
  virtual std::uint64_t send_local(const LocalReply& reply) = 0;
  virtual bool flush() = 0;  // false: congested, wait for on_caller_writable
  virtual void pause_body() = 0;
  virtual void resume_body() = 0;
  // The exchange is over. `complete`: the response was sent to its end; else the connection is
  // to be closed so that the caller sees it broken off. The exchange is not touched after this.
  virtual void on_exchange_over(bool complete) = 0;
  virtual std::string_view address() const = 0;  // the caller's IP, "" on a Unix socket
};

}  // namespace outrigger::exchange
