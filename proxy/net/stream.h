// A connected byte stream: TCP or a Unix socket.
//
// Small writes go to the kernel at the end of a long turn, others at once; these are copied only
// where it does not take them. Reads stay armed and share the loop's buffer. In steady traffic a
// stream costs one read and one write a message, no allocation and no epoll_ctl. Destroying a
// stream closes it; it may be destroyed in any of its own callbacks, so that after a callback
// nothing of it may be touched.
//
// The libuv side is transport.h, which lives on while a close or a linger is under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "proxy/base/result.h"
#include "proxy/base/time.h"

namespace outrigger::net {

class Loop;
class Transport;

// None is called from inside a call on the stream.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  // Never empty; `bytes` lie in the loop's buffer and are gone after the call. What has been passed
  // over of them is gone with the next write() of what follows.
  virtual void on_read(std::string_view bytes) = 0;
  // The peer sends no more; writing stays possible. Once. Should the peer go altogether after
  // this, only a write finds out.
  virtual void on_eof() = 0;
  // A read or a write failed (a negative errno, as libuv has them); nothing comes after it. After
  // a failed write, what the peer had sent before is read first.
  virtual void on_error(int uv_error) = 0;
  // The queue fell below the low-water mark after write() had said that it was congested.
  virtual void on_writable() = 0;
  // Of what a write left for the end of the turn, the kernel has not taken all: it is queued.
  virtual void on_blocked() {}
};

class Stream {
 public:
  static constexpr std::size_t kHighWater = 64 * 1024;
  static constexpr std::size_t kLowWater = 16 * 1024;
  // A write while more than this is queued fails the stream with ENOBUFS: the caller did not stop.
  static constexpr std::size_t kMaxQueued = 4 * 1024 * 1024;
  static constexpr std::size_t kMaxPieces = 32;
  // What the kernel takes beyond what it can send (TCP_NOTSENT_LOWAT). Else it takes megabytes for
  // a peer that does not read, in memory that counts for the pod and in time that others wait: for
  // one with a tiny window it cuts them into segments of 48 bytes, each with a kilobyte of its own.
  static constexpr int kMaxUnsent = 16 * 1024;
  // Streams of one loop that may linger at a time; further ones are closed when they are flushed.
  static constexpr int kMaxLingering = 256;
  // What a lingering stream reads and drops, at most.
  static constexpr std::size_t kMaxDropped = 64 * 1024;

  // Takes over a connected transport.
  explicit Stream(Transport& connected);
  // Takes over a connected stream socket, also when it fails; the error is a negative errno.
  static Result<std::unique_ptr<Stream>, int> adopt(Loop& loop, int fd);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Not owned. While null, nothing is read and nothing is lost.
  void set_events(StreamEvents* events);
  // Cheap, idempotent; a stop and a start between two polls cost no syscall.
  void start_reading();
  void stop_reading();

  // Sends the pieces, at most kMaxPieces, in order; they may be gone when it returns. False when
  // more than kHighWater is queued: stop until on_writable(). After an error, a shutdown or a
  // close it drops them and returns true. Small ones go out at the end of the turn where that is
  // long (WriteBatch); until then they count as queued, and destroying the stream drops them.
  // Where a piece is of what is being read, what was read before it is lost: of two pieces the
  // first may be put there, so that they leave as one.
  bool write(std::span<const std::string_view> pieces);
  bool write(std::string_view piece) { return write({&piece, 1}); }
  // Whether what it reads are answers, which are read first of what a poll has found
  // (ReadyStreams).
  void set_brings_answers(bool brings);
  // Whether small writes go out at the end of any turn, for what that still finds may undo them.
  void set_patient(bool patient);
  // Sends at once what a write has left for the end of the turn.
  void send_batched();
  // Written and not taken by the kernel.
  std::size_t queued() const;
  // The kernel has not taken all that it was given, as far as is known: the rest waits for the
  // peer.
  bool blocked() const;
  // A write was not possible: what is written from now on is dropped.
  bool failed() const;
  // What the kernel has taken: 0 means that the peer cannot have seen anything.
  std::uint64_t bytes_taken() const;
  std::uint64_t bytes_read() const;

  // Half-close, as soon as the queue is empty.
  void shutdown_when_drained();
  // The graceful end: flush, half-close, read and drop for at most `linger` or kMaxDropped, close.
  // No event comes any more and the stream may be destroyed at once; flushing may take longer than
  // `linger`: it is given up when the peer takes nothing for `stall`. `until_flushed`, if any, is
  // let go when the queue is empty or given up.
  void close_when_drained(Duration linger, Duration stall,
                          std::shared_ptr<void> until_flushed = {});
  void close_when_drained(Duration linger) { close_when_drained(linger, linger); }
  // The abrupt end: RST to the peer. No event comes any more.
  void reset();

  // "" for a Unix socket.
  std::string_view peer_ip() const;
  // 0 for a Unix socket.
  std::uint16_t peer_port() const;
  std::uint16_t local_port() const;

 private:
  Transport* release();

  Transport* transport_;
  std::uint64_t final_bytes_taken_ = 0;
  std::uint64_t final_bytes_read_ = 0;
};

}  // namespace outrigger::net
