// The libuv side of a stream: the handle, the write queue and, after a graceful close, the linger.
//
// It outlives the Stream that owns it until libuv has closed, which makes the Stream destructible
// at any time. Thousands stand idle, so it holds little: a queue only while something is queued,
// what the linger needs only then.
#pragma once

#include <uv.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "proxy/base/bytes.h"
#include "proxy/net/deferred.h"
#include "proxy/net/handle.h"
#include "proxy/net/loop.h"
#include "proxy/net/stream.h"
#include "proxy/net/write_batch.h"

namespace outrigger::net {

// What the kernel has not taken yet. At most one uv_write is in flight (libuv sends queued ones a
// syscall each); what comes meanwhile gathers in a second buffer, and the two change places.
struct WriteQueue {
  // What a drained buffer may keep of its memory.
  static constexpr std::size_t kKeptBuffer = 16 * 1024;

  bool empty() const { return in_flight.empty() && gathering.empty(); }
  void count() { charge.set(gathering.size() + in_flight.size()); }

  uv_write_t request;
  KeptBytes in_flight;
  KeptBytes gathering;
  BufferCharge charge;  // of the two
};

class Transport final : public HandleBlock, private Deferred {
 public:
  // How often a lingering stream may need another `linger` to flush.
  static constexpr int kMaxFlushRounds = 60;
  // While they fill the loop's buffer; then others get theirs.
  static constexpr int kMaxReadsAtOnce = 4;

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
  // Sends what a write has left for the end of the turn, if anything.
  void send_batched();
  void set_patient(bool patient) { patient_ = patient; }
  void set_brings_answers(bool brings) { brings_answers_ = brings; }
  // After a poll that has found it readable.
  void read();
  void shutdown_when_drained();
  // The owner has let go.
  void linger(Duration linger, Duration stall, std::shared_ptr<void> until_flushed);
  void close_with_reset();
  void close_now();

  std::size_t queued() const;
  bool blocked() const { return queue_ != nullptr; }
  bool failed() const { return error_ != 0; }
  std::uint64_t bytes_taken() const;
  std::uint64_t bytes_read() const { return bytes_read_; }
  std::string_view peer_ip() const { return peer_ip_; }
  std::uint16_t peer_port() const { return peer_port_; }
  std::uint16_t local_port() const;
  uv_tcp_t& tcp() { return tcp_; }

 private:
  enum class Phase : std::uint8_t { Open, Flushing, Dropping, Closed };
  struct Linger;

  Transport(Loop& loop, const sockaddr& peer);
  ~Transport() override;
  static Transport& of(const void* handle);
  uv_stream_t& stream() { return *reinterpret_cast<uv_stream_t*>(&tcp_); }
  const uv_stream_t& stream() const { return *reinterpret_cast<const uv_stream_t*>(&tcp_); }
  void orphan() override;
  void run_deferred() override;
  void on_linger_time();

  bool taking() const;
  void arm_reads();
  void disarm_reads();
  void on_readable();
  bool read_once();
  void on_read_end(int status);
  void on_read_while_lingering(ssize_t count);

  bool batches(std::size_t size);
  void drop_batched();
  void write_through(std::span<const std::string_view> pieces, std::size_t size);
  int send_now(std::span<const std::string_view> pieces, std::size_t& taken);
  void enqueue(std::span<const std::string_view> pieces, std::size_t skip);
  void flush();
  void on_written(int status);
  void on_drained();
  void start_dropping();
  void shutdown();

  void fail(int status);
  bool reads_first() const;
  void drop_empty_queue();
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

  // What every read and write looks at lies together.
  Loop& loop_;
  StreamEvents* events_ = nullptr;
  std::unique_ptr<WriteQueue> queue_;  // while something is queued
  std::uint64_t bytes_taken_ = 0;
  std::uint64_t bytes_read_ = 0;
  int fd_ = -1;  // the handle's, and closed by it
  WriteBatch::Slot batched_ = WriteBatch::kNone;
  Phase phase_ = Phase::Open;
  bool wants_reads_ = false;
  bool reads_armed_ = false;
  bool eof_ = false;
  bool congested_ = false;
  bool ends_ = false;  // no further writes
  bool shut_down_ = false;
  bool patient_ = false;
  bool brings_answers_ = false;
  bool ready_ = false;          // stands in the loop's ReadyStreams
  bool tells_blocked_ = false;  // when the deferred run comes
  bool error_reported_ = false;
  int error_ = 0;
  uv_tcp_t tcp_;  // serves Unix sockets as well: nothing that is asked of it here is TCP's own

  std::unique_ptr<Linger> linger_;  // from Flushing on
  Transport** owner_ = nullptr;
  std::string peer_ip_;  // "" of a Unix socket
  std::uint16_t peer_port_ = 0;
};

}  // namespace outrigger::net
