// The libuv side of a stream: the handle, the write queue and, after a graceful close, the linger.
//
// It outlives the Stream that owns it until libuv has closed, which makes the Stream destructible
// at any time. At most one uv_write is in flight (libuv sends queued ones a syscall each); what
// comes meanwhile gathers in a second buffer, and the two change places.
#pragma once

#include <uv.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "proxy/net/address.h"
#include "proxy/net/deferred.h"
#include "proxy/net/handle.h"
#include "proxy/net/loop.h"
#include "proxy/net/stream.h"
#include "proxy/net/timer.h"

namespace outrigger::net {

class Transport final : public HandleBlock, private Deferred, private TimerEvents {
 public:
  // What a drained buffer may keep of its memory.
  static constexpr std::size_t kKeptBuffer = 16 * 1024;
  // How often a lingering stream may need another `linger` to flush.
  static constexpr int kMaxFlushRounds = 60;

  // A transport on the socket `fd`, which it takes over also when it fails (with a negative
  // errno). Alive until close().
  static Result<Transport*, int> open(Loop& loop, int fd, const sockaddr& peer);

  // `*slot` is set to this, and to null when the loop ends first.
  void set_owner(Transport** slot);
  // Forgets owner and events.
  void release();

  void set_events(StreamEvents* events);
  void start_reading();
  void stop_reading();
  bool write(std::span<const std::string_view> pieces);
  void shutdown_when_drained();
  // The owner has let go.
  void linger(Duration linger, Duration stall, std::shared_ptr<void> until_flushed);
  void close_with_reset();
  void close_now();

  std::size_t queued() const;
  std::uint64_t bytes_taken() const;
  std::uint64_t bytes_read() const { return bytes_read_; }
  std::string_view peer_ip() const { return is_tcp_ ? peer_.host() : std::string_view{}; }
  std::uint16_t peer_port() const { return peer_.port(); }
  std::uint16_t local_port() const;
  uv_tcp_t& tcp() { return uv_.tcp; }

 private:
  enum class Phase { Open, Flushing, Dropping, Closed };

  Transport(Loop& loop, const sockaddr& peer);
  static Transport& of(const void* handle);
  uv_stream_t& stream() { return *reinterpret_cast<uv_stream_t*>(&uv_); }
  const uv_stream_t& stream() const { return *reinterpret_cast<const uv_stream_t*>(&uv_); }
  int fd() const;

  void orphan() override;
  void run_deferred() override;
  void on_timer(Timer&) override;

  bool taking() const;
  void arm_reads();
  void disarm_reads();
  void on_alloc(uv_buf_t& buffer);
  void on_read(ssize_t count, const char* bytes);
  void on_read_end(int status);
  void on_read_while_lingering(ssize_t count);

  int send_now(std::span<const std::string_view> pieces, std::size_t& taken);
  void enqueue(std::span<const std::string_view> pieces, std::size_t skip);
  void flush();
  void on_written(int status);
  void on_drained();
  void start_dropping();
  void shutdown();

  void fail(int status);
  bool reads_first() const;
  void count_queue() { charge_.set(gathering_.size() + in_flight_.size()); }
  // Never more than this stream's share of what memory is left; where it is scarce, a queue has to
  // run empty before more is written.
  std::size_t mark(std::size_t usual) const {
    if (!loop_.buffered()) return usual;
    return loop_.buffered()->scarce() ? 0 : std::min(usual, loop_.buffered()->share());
  }
  // What one read brings may come to wait in a queue.
  std::size_t read_size(std::size_t usual) const {
    return loop_.buffered() ? std::min(usual, loop_.buffered()->share()) : usual;
  }

  Loop& loop_;
  union {
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } uv_;
  uv_write_t write_request_;
  Address peer_;
  Transport** owner_ = nullptr;
  StreamEvents* events_ = nullptr;
  std::string in_flight_;
  std::string gathering_;
  BufferCharge charge_;  // of the two
  std::uint64_t bytes_taken_ = 0;
  std::uint64_t bytes_read_ = 0;
  Timer timer_;
  Duration linger_{};
  Duration stall_{};
  std::shared_ptr<void> until_flushed_;
  std::uint64_t taken_at_timer_ = 0;
  std::size_t dropped_ = 0;
  int flush_rounds_ = 0;
  int error_ = 0;
  Phase phase_ = Phase::Open;
  bool is_tcp_;
  bool wants_reads_ = false;
  bool reads_armed_ = false;
  bool eof_ = false;
  bool congested_ = false;
  bool ends_ = false;  // no further writes
  bool shut_down_ = false;
  bool error_reported_ = false;
};

}  // namespace outrigger::net
