// One caller's connection: HTTP/1.1 requests in, in order, one exchange at a time.
//
// It parses and writes and keeps the listener's clocks; what a request comes to is the exchange's
// business. Bytes that arrive while an exchange is under way (pipelining) wait in a bounded
// buffer, and the reads stop when it is full. Thousands stand idle: what only a request, a wait or
// a slow reader needs is made for it.
#pragma once

#include <memory>

#include "proxy/downstream/request.h"
#include "proxy/exchange/ports.h"
#include "proxy/net/deferred.h"
#include "proxy/net/stream.h"
#include "proxy/net/timer.h"

namespace outrigger::downstream {

class Listener;

class Connection final : public net::Retirable,
                         private exchange::Caller,
                         private net::StreamEvents,
                         private net::TimerEvents {
 public:
  // Rest of a request body that is read and dropped so that the connection can be kept.
  static constexpr std::uint64_t kMaxDropped = 64 * 1024;
  static constexpr Duration kLinger = std::chrono::seconds(1);
  static constexpr Duration kLastCall = std::chrono::milliseconds(100);

  // `refuse`: accepted while the listener closes; its request is answered `draining`.
  Connection(Listener& listener, std::unique_ptr<net::Stream> stream, bool refuse);
  ~Connection() override;

  void start();
  // Nothing comes after this. A request may be on its way, so an idle connection stays open for
  // kLastCall, as a request under way.
  void give_last_call();
  void abandon();  // closes whatever is under way, now
  void go_on();    // for its request, when the exchange that ended is off the stack
  bool busy() const { return request_ != nullptr; }
  // Empty while there is no request.
  std::string_view request_id() const {
    return request_ ? request_->exchange.request_id() : std::string_view();
  }

  Connection* previous = nullptr;  // the listener's list
  Connection* next = nullptr;

 private:
  // What the phase timer stands for. Read and write deadlines may stand together.
  enum class Clock : std::uint8_t { None, FirstByte, LastCall, Head, KeepAlive, Body };
  struct WriteWatch {
    explicit WriteWatch(Connection& connection);
    net::Timer timer;
    std::uint64_t taken = 0;
  };

  // Bytes in.
  void on_read(std::string_view bytes) override;
  void on_eof() override;
  void on_error(int uv_error) override;
  void on_writable() override;
  void on_blocked() override;
  void consume(std::string_view in);
  bool read_head(std::string_view& in);
  void take_request();
  void drop_request();
  void begin(std::string_view block, std::size_t beyond);  // `beyond`: bytes that came with it
  void refuse(exchange::FailureKind kind);
  bool read_body(std::string_view& in);
  void keep(std::string_view in);
  void keep_for_later(std::string_view in);
  void count_waiting();
  void let_go(std::unique_ptr<Waiting> waiting);
  bool over_its_share() const;

  // The exchange's caller.
  void wake_at(TimePoint at) override;
  void send_informational(const http::ResponseHead& head) override;
  void send_head(const http::ResponseHead& head, std::string_view fallback_reason) override;
  void send_body(std::string_view bytes) override;
  void send_end(const http::Headers* trailers) override;
  std::uint64_t send_local(const exchange::LocalReply& reply) override;
  bool flush() override;
  void pause_body() override;
  void resume_body() override;
  void on_exchange_over(bool complete) override;
  std::string_view address() const override { return stream_->peer_ip(); }

  // Between requests.
  void go_on_soon();
  bool caller_is_done();
  void next_request();
  void end_last_call();
  bool must_close() const;
  void close_after_flush();
  void die();

  // Clocks.
  void on_timer(net::Timer& timer) override;
  void on_phase_time();
  void set_clock(Clock clock, Duration after);
  void watch_writes();

  bool body_unread() const { return request_ && !request_->body_done; }
  http::RequestHead& head() { return request_->exchange.request(); }

  Listener& listener_;
  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<Request> request_;  // while one is under way
  std::unique_ptr<Waiting> waiting_;  // while it holds a byte
  net::Timer phase_timer_;
  std::unique_ptr<WriteWatch> write_watch_;  // since the caller first was slow to read
  std::uint32_t requests_ = 0;
  Clock clock_ = Clock::None;
  bool congested_ = false;
  bool body_paused_ = false;
  bool pending_full_ = false;
  bool refuse_ = false;
  bool closing_ = false;
  bool last_call_ = false;  // counts as a request while none has come
};

}  // namespace outrigger::downstream
