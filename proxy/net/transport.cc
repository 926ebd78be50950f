#include "proxy/net/transport.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/net/address.h"
#include "proxy/net/timer.h"

namespace outrigger::net {
namespace {

std::size_t size_of(std::span<const std::string_view> pieces) {
  if (pieces.size() == 1) return pieces[0].size();
  std::size_t size = 0;
  for (const auto piece : pieces) size += piece.size();
  return size;
}

ssize_t send_piece(int fd, std::string_view piece) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return send(fd, piece.data(), piece.size(), MSG_NOSIGNAL);
#else
  // Where a thread may be cancelled, as in send(), glibc says so by two locked instructions.
  return syscall(SYS_sendto, fd, piece.data(), piece.size(), MSG_NOSIGNAL, nullptr, 0);
#endif
}

ssize_t receive(int fd, std::span<char> into) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return recv(fd, into.data(), into.size(), 0);
#else
  return syscall(SYS_recvfrom, fd, into.data(), into.size(), 0, nullptr, nullptr);
#endif
}

ssize_t send_pieces(int fd, std::span<const std::string_view> pieces) {
  std::array<iovec, Stream::kMaxPieces> parts;
  msghdr message{};
  message.msg_iov = parts.data();
  for (const auto piece : pieces) {
    if (piece.empty()) continue;
    parts[message.msg_iovlen++] = {const_cast<char*>(piece.data()), piece.size()};
  }
  return sendmsg(fd, &message, MSG_NOSIGNAL);
}

}  // namespace

// What a graceful close still needs.
struct Transport::Linger final : TimerEvents {
  explicit Linger(Transport& of) : transport(of), timer(of.loop_, *this) {}
  void on_timer(Timer&) override { transport.on_linger_time(); }
  void arm(Duration after) { timer.arm(saturating_add(transport.loop_.now(), after)); }

  Transport& transport;
  Timer timer;
  Duration limit{};
  Duration stall{};
  std::shared_ptr<void> until_flushed;
  std::uint64_t taken_at_timer = 0;
  std::size_t dropped = 0;
  int flush_rounds = 0;
};

Transport::Transport(Loop& loop, const sockaddr& peer) : loop_(loop) {
  if (peer.sa_family != AF_UNIX) {
    const Address address = Address::from_native(peer);
    peer_ip_ = address.host();
    peer_port_ = address.port();
  }
  uv_tcp_init(loop.native(), &tcp_);
  hold(*reinterpret_cast<uv_handle_t*>(&tcp_));
}

Transport::~Transport() = default;

Result<Transport*, int> Transport::open(Loop& loop, int fd, const sockaddr& peer) {
  auto* transport = new Transport{loop, peer};
  const int status = uv_tcp_open(&transport->tcp_, fd);
  transport->fd_ = fd;
  if (status == 0) return transport;
  ::close(fd);
  transport->close_now();
  return status;
}

Transport& Transport::of(const void* handle) {
  return static_cast<Transport&>(HandleBlock::of(*static_cast<const uv_handle_t*>(handle)));
}

std::uint16_t Transport::local_port() const {
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  auto* native = reinterpret_cast<sockaddr*>(&local);
  const bool known = getsockname(fd_, native, &size) == 0 && local.ss_family != AF_UNIX;
  return known ? Address::from_native(*native).port() : 0;
}

void Transport::set_owner(Transport** slot) {
  owner_ = slot;
  *slot = this;
}

void Transport::release() {
  owner_ = nullptr;
  events_ = nullptr;
}

void Transport::orphan() {
  if (owner_ != nullptr) *owner_ = nullptr;
  phase_ = Phase::Closed;
  fd_ = -1;
  linger_.reset();
  release();
}

void Transport::set_events(StreamEvents* events) {
  events_ = events;
  if (events == nullptr) return;
  if (wants_reads_) arm_reads();
  if (error_ != 0 || congested_ || tells_blocked_) loop_.defer(*this);
}

// What could not be told when it happened: a failed write, or to an owner that was not there.
void Transport::run_deferred() {
  if (phase_ != Phase::Open || events_ == nullptr) return;
  if (error_ != 0) {
    if (reads_first() || std::exchange(error_reported_, true)) return;
    disarm_reads();
    return events_->on_error(error_);
  }
  if (std::exchange(tells_blocked_, false) && queue_) return events_->on_blocked();
  if (congested_ && queued() <= mark(Stream::kLowWater)) {
    congested_ = false;
    events_->on_writable();
  }
}

void Transport::start_reading() {
  wants_reads_ = true;
  if (events_ != nullptr) arm_reads();
}

// The handle stays armed; only should bytes come before the next start is epoll told.
void Transport::stop_reading() {
  if (reads_first()) loop_.defer(*this);
  wants_reads_ = false;
}

bool Transport::taking() const {
  return phase_ == Phase::Dropping || (wants_reads_ && events_ != nullptr);
}

// Libuv watches, but is given no buffer to read into: it says so (UV_ENOBUFS) and goes on. We read.
void Transport::arm_reads() {
  if (reads_armed_ || eof_ || error_reported_) return;
  const int status = uv_read_start(
      &stream(), [](uv_handle_t*, std::size_t, uv_buf_t* buffer) { *buffer = {}; },
      [](uv_stream_t* handle, ssize_t, const uv_buf_t*) { of(handle).on_readable(); });
  reads_armed_ = status == 0;
  if (status != 0) fail(status);
}

void Transport::disarm_reads() {
  if (std::exchange(reads_armed_, false)) uv_read_stop(&stream());
}

void Transport::on_readable() {
  if (ready_ || loop_.ready_.full()) loop_.read_ready_amid_polls();
  if (!taking()) return disarm_reads();
  ready_ = true;
  loop_.ready_.add(*this, brings_answers_);
}

void Transport::read() {
  ready_ = false;
  for (int reads = 0; reads < kMaxReadsAtOnce && read_once(); ++reads) continue;
}

// Whether the buffer was filled, so that there may be more.
bool Transport::read_once() {
  if (!reads_armed_ || !taking()) return false;
  auto into = loop_.read_buffer();
  into = into.first(read_size(into.size()));
  const auto full = static_cast<ssize_t>(into.size());
  ssize_t count = 0;
  do {
    count = receive(fd_, into);
  } while (count < 0 && errno == EINTR);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
  if (phase_ == Phase::Dropping) {
    on_read_while_lingering(count);
  } else if (count <= 0) {
    on_read_end(count == 0 ? UV_EOF : uv_translate_sys_error(errno));
  } else {
    into = into.first(static_cast<std::size_t>(count));
    bytes_read_ += into.size();
    events_->on_read({into.data(), into.size()});
  }
  return count == full;
}

void Transport::on_read_end(int status) {
  disarm_reads();
  if (error_ != 0) return run_deferred();  // a write had failed and waited for this
  if (status != UV_EOF) {
    fail(status);
    return run_deferred();
  }
  eof_ = true;
  events_->on_eof();
}

bool Transport::write(std::span<const std::string_view> pieces) {
  INVARIANT(pieces.size() <= Stream::kMaxPieces);
  send_batched();
  if (error_ != 0 || ends_) return true;
  const std::size_t size = size_of(pieces);
  if (size == 0) return true;
  if (!queue_ && batches(size)) {
    batched_ = loop_.batch_.add(*this, pieces, size);
    return true;
  }
  loop_.batch_.pass(size);
  std::string_view whole;  // the kernel takes one piece for 0.2 µs less than two
  if (!queue_ && pieces.size() == 2) whole = loop_.put_before(pieces[0], pieces[1]);
  write_through(whole.empty() ? pieces : std::span(&whole, 1), size);
  loop_.give_up_before(pieces.back());
  if (queued() <= mark(Stream::kHighWater)) return true;
  congested_ = true;
  return false;
}

// Only within a turn, at whose end it goes out.
bool Transport::batches(std::size_t size) {
  if (size > WriteBatch::kLargestWrite || !loop_.running_) return false;
  if (!patient_ && !loop_.turn_is_long_) return false;
  if (!loop_.batch_.has_room(size)) loop_.batch_.send();
  return true;
}

void Transport::write_through(std::span<const std::string_view> pieces, std::size_t size) {
  std::size_t taken = 0;
  if (!queue_) {
    const int status = send_now(pieces, taken);
    if (status < 0) return fail(status);
    bytes_taken_ += taken;
    if (taken == size) return;
  } else if (queued() > Stream::kMaxQueued) {
    return fail(UV_ENOBUFS);
  }
  enqueue(pieces, taken);
  flush();
}

void Transport::send_batched() {
  if (batched_ == WriteBatch::kNone) return;
  const auto bytes = loop_.batch_.take(std::exchange(batched_, WriteBatch::kNone));
  write_through({&bytes, 1}, bytes.size());
  if (!queue_) [[likely]] {
    return;
  }
  tells_blocked_ = true;
  loop_.defer(*this);
}

void Transport::drop_batched() {
  if (batched_ != WriteBatch::kNone) {
    loop_.batch_.take(std::exchange(batched_, WriteBatch::kNone));
  }
}

// Not uv_try_write, which looks at the whole of its handle first: that nothing is queued is known.
int Transport::send_now(std::span<const std::string_view> pieces, std::size_t& taken) {
  ssize_t sent = 0;
  do {
    sent = pieces.size() == 1 ? send_piece(fd_, pieces[0]) : send_pieces(fd_, pieces);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) {
    taken = static_cast<std::size_t>(sent);
    return 0;
  }
  const bool full = errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS;
  return full ? 0 : uv_translate_sys_error(errno);
}

void Transport::enqueue(std::span<const std::string_view> pieces, std::size_t skip) {
  if (!queue_) queue_ = loop_.take_write_queue();
  for (const auto piece : pieces) {
    const std::size_t skipped = std::min(skip, piece.size());
    append_to(queue_->gathering, piece.substr(skipped));
    skip -= skipped;
  }
  queue_->count();
}

void Transport::flush() {
  auto& [request, in_flight, gathering, charge] = *queue_;
  if (!in_flight.empty() || gathering.empty()) return;
  in_flight.swap(gathering);
  const uv_buf_t buffer = uv_buf_init(in_flight.data(), static_cast<unsigned>(in_flight.size()));
  const int status = uv_write(&request, &stream(), &buffer, 1, [](uv_write_t* written, int result) {
    of(written->handle).on_written(result);
  });
  if (status == 0) return;
  in_flight.clear();
  fail(status);
}

void Transport::on_written(int status) {
  // After an error libuv does not say how much had gone: all of it may have.
  bytes_taken_ += queue_->in_flight.size();
  clear_and_keep(queue_->in_flight, WriteQueue::kKeptBuffer);
  if (phase_ != Phase::Closed && status == 0) flush();
  drop_empty_queue();
  if (phase_ == Phase::Closed) return;
  if (status < 0) return fail(status);
  if (!queue_) on_drained();
  run_deferred();
}

void Transport::drop_empty_queue() {
  if (!queue_) return;
  queue_->count();
  if (!queue_->empty()) return;
  clear_and_keep(queue_->gathering, WriteQueue::kKeptBuffer);
  loop_.keep_write_queue(std::move(queue_));
}

void Transport::on_drained() {
  if (phase_ == Phase::Flushing) {
    start_dropping();
  } else if (ends_) {
    shutdown();
  }
}

std::size_t Transport::queued() const {
  if (!queue_) return batched_ == WriteBatch::kNone ? 0 : loop_.batch_.size_of(batched_);
  const auto& [request, in_flight, gathering, charge] = *queue_;
  return gathering.size() + (in_flight.empty() ? 0 : uv_stream_get_write_queue_size(&stream()));
}

std::uint64_t Transport::bytes_taken() const {
  if (!queue_ || queue_->in_flight.empty()) return bytes_taken_;
  return bytes_taken_ + queue_->in_flight.size() - uv_stream_get_write_queue_size(&stream());
}

// Told later: this is called from within write().
void Transport::fail(int status) {
  if (queue_) queue_->gathering.clear();
  drop_empty_queue();
  drop_batched();
  if (phase_ == Phase::Flushing || phase_ == Phase::Dropping) return close_now();
  if (error_ == 0) error_ = status;
  if (!reads_first()) loop_.defer(*this);
}

// After a reset, what the peer sent before it can still be read (often the answer that explains
// it); the end of that is certain to come and brings the error.
bool Transport::reads_first() const {
  const bool reset = error_ == UV_EPIPE || error_ == UV_ECONNRESET;
  return reset && reads_armed_ && taking();
}

void Transport::shutdown_when_drained() {
  send_batched();
  ends_ = true;
  if (queued() == 0) shutdown();
}

// Not uv_shutdown, which costs a turn and two epoll_ctl; the queue is ours and known to be empty.
void Transport::shutdown() {
  if (!std::exchange(shut_down_, true)) ::shutdown(fd_, SHUT_WR);
}

void Transport::linger(Duration linger, Duration stall, std::shared_ptr<void> until_flushed) {
  release();
  if (error_ != 0 || linger <= Duration::zero()) {
    return close_now();
  }
  ++loop_.lingering_;
  phase_ = Phase::Flushing;
  ends_ = true;
  linger_ = std::make_unique<Linger>(*this);
  linger_->limit = linger;
  linger_->stall = stall;
  linger_->until_flushed = std::move(until_flushed);
  linger_->taken_at_timer = bytes_taken();
  linger_->arm(stall);
  if (queued() == 0) start_dropping();
}

void Transport::start_dropping() {
  linger_->until_flushed.reset();
  shutdown();
  if (eof_ || loop_.lingering_ > Stream::kMaxLingering) return close_now();
  phase_ = Phase::Dropping;
  linger_->arm(linger_->limit);
  arm_reads();
}

void Transport::on_read_while_lingering(ssize_t count) {
  if (count > 0) linger_->dropped += static_cast<std::size_t>(count);
  if (count <= 0 || linger_->dropped > Stream::kMaxDropped) close_now();
}

void Transport::on_linger_time() {
  const bool moves =
      bytes_taken() > linger_->taken_at_timer && ++linger_->flush_rounds < kMaxFlushRounds;
  if (phase_ != Phase::Flushing || !moves) return close_now();
  linger_->taken_at_timer = bytes_taken();
  linger_->arm(linger_->stall);
}

void Transport::close_with_reset() {
  const ::linger at_once{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close_now();
}

void Transport::close_now() {
  if (phase_ == Phase::Closed) return;
  if (phase_ != Phase::Open) --loop_.lingering_;
  phase_ = Phase::Closed;
  fd_ = -1;
  drop_batched();
  release();
  linger_.reset();
  cancel_deferred();
  close();
}

}  // namespace outrigger::net
