#include "proxy/net/transport.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "proxy/base/check.h"

namespace outrigger::net {
namespace {

std::size_t size_of(std::span<const std::string_view> pieces) {
  std::size_t size = 0;
  for (const auto piece : pieces) size += piece.size();
  return size;
}

}  // namespace

Transport::Transport(Loop& loop, const sockaddr& peer)
    : loop_(loop),
      peer_(Address::from_native(peer)),
      charge_(loop.buffered()),
      timer_(loop, *this),
      is_tcp_(peer.sa_family != AF_UNIX) {
  if (is_tcp_) {
    uv_tcp_init(loop.native(), &uv_.tcp);
  } else {
    uv_pipe_init(loop.native(), &uv_.pipe, 0);
  }
  hold(*reinterpret_cast<uv_handle_t*>(&uv_));
  loop.attach(*this);
}

Result<Transport*, int> Transport::open(Loop& loop, int fd, const sockaddr& peer) {
  auto* transport = new Transport{loop, peer};
  const int status = transport->is_tcp_ ? uv_tcp_open(&transport->uv_.tcp, fd)
                                        : uv_pipe_open(&transport->uv_.pipe, fd);
  if (status == 0) return transport;
  ::close(fd);
  transport->close_now();
  return status;
}

Transport& Transport::of(const void* handle) {
  return static_cast<Transport&>(HandleBlock::of(*static_cast<const uv_handle_t*>(handle)));
}

int Transport::fd() const {
  uv_os_fd_t fd = -1;
  uv_fileno(reinterpret_cast<const uv_handle_t*>(&uv_), &fd);
  return fd;
}

std::uint16_t Transport::local_port() const {
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  auto* native = reinterpret_cast<sockaddr*>(&local);
  if (!is_tcp_ || getsockname(fd(), native, &size) != 0) return 0;
  return Address::from_native(*native).port();
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
  until_flushed_.reset();
  release();
}

void Transport::set_events(StreamEvents* events) {
  events_ = events;
  if (events == nullptr) return;
  if (wants_reads_) arm_reads();
  if (error_ != 0 || congested_) loop_.defer(*this);
}

// What could not be told when it happened: a failed write, or to an owner that was not there.
void Transport::run_deferred() {
  if (phase_ != Phase::Open || events_ == nullptr) return;
  if (error_ != 0) {
    if (reads_first() || std::exchange(error_reported_, true)) return;
    disarm_reads();
    events_->on_error(error_);
  } else if (congested_ && queued() <= mark(Stream::kLowWater)) {
    congested_ = false;
    events_->on_writable();
  }
}

void Transport::start_reading() {
  wants_reads_ = true;
  if (events_ != nullptr) arm_reads();
}

// The handle stays armed; should bytes come before the next start, on_alloc refuses them and only
// then epoll is told.
void Transport::stop_reading() {
  if (reads_first()) loop_.defer(*this);
  wants_reads_ = false;
}

bool Transport::taking() const {
  return phase_ == Phase::Dropping || (wants_reads_ && events_ != nullptr);
}

void Transport::arm_reads() {
  if (reads_armed_ || eof_ || error_reported_) return;
  const int status = uv_read_start(
      &stream(),
      [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) { of(handle).on_alloc(*buffer); },
      [](uv_stream_t* handle, ssize_t count, const uv_buf_t* buffer) {
        of(handle).on_read(count, buffer->base);
      });
  reads_armed_ = status == 0;
  if (status != 0) fail(status);
}

void Transport::disarm_reads() {
  if (std::exchange(reads_armed_, false)) uv_read_stop(&stream());
}

void Transport::on_alloc(uv_buf_t& buffer) {
  const auto shared = loop_.read_buffer();
  buffer = taking() ? uv_buf_init(shared.data(), static_cast<unsigned>(read_size(shared.size())))
                    : uv_buf_init(nullptr, 0);
}

void Transport::on_read(ssize_t count, const char* bytes) {
  // Refused by on_alloc; or an end that libuv saw together with the last bytes, after which the
  // owner stopped: the next start will read it again.
  if (count < 0 && !taking()) return disarm_reads();
  if (count > 0) bytes_read_ += static_cast<std::uint64_t>(count);
  if (phase_ == Phase::Dropping) return on_read_while_lingering(count);
  if (count > 0) {
    events_->on_read({bytes, static_cast<std::size_t>(count)});
  } else if (count < 0) {
    on_read_end(static_cast<int>(count));
  }
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
  if (error_ != 0 || ends_) return true;
  std::size_t taken = 0;
  const std::size_t before = queued();
  if (before == 0) {
    const int status = send_now(pieces, taken);
    if (status < 0) {
      fail(status);
      return true;
    }
    bytes_taken_ += taken;
    if (taken == size_of(pieces)) return true;
  } else if (before > Stream::kMaxQueued) {
    fail(UV_ENOBUFS);
    return true;
  }
  enqueue(pieces, taken);
  flush();
  count_queue();
  if (queued() <= mark(Stream::kHighWater)) return true;
  congested_ = true;
  return false;
}

int Transport::send_now(std::span<const std::string_view> pieces, std::size_t& taken) {
  std::array<uv_buf_t, Stream::kMaxPieces> buffers;
  unsigned count = 0;
  for (const auto piece : pieces) {
    if (piece.empty()) continue;
    buffers[count++] =
        uv_buf_init(const_cast<char*>(piece.data()), static_cast<unsigned>(piece.size()));
  }
  if (count == 0) return 0;
  const int status = uv_try_write(&stream(), buffers.data(), count);
  if (status == UV_EAGAIN) return 0;
  if (status > 0) taken = static_cast<std::size_t>(status);
  return status;
}

void Transport::enqueue(std::span<const std::string_view> pieces, std::size_t skip) {
  for (const auto piece : pieces) {
    const std::size_t skipped = std::min(skip, piece.size());
    gathering_.append(piece.substr(skipped));
    skip -= skipped;
  }
}

void Transport::flush() {
  if (!in_flight_.empty() || gathering_.empty()) return;
  in_flight_.swap(gathering_);
  const uv_buf_t buffer = uv_buf_init(in_flight_.data(), static_cast<unsigned>(in_flight_.size()));
  const int status =
      uv_write(&write_request_, &stream(), &buffer, 1,
               [](uv_write_t* request, int result) { of(request->handle).on_written(result); });
  if (status == 0) return;
  in_flight_.clear();
  fail(status);
}

void Transport::on_written(int status) {
  // After an error libuv does not say how much had gone: all of it may have.
  bytes_taken_ += in_flight_.size();
  in_flight_.clear();
  if (in_flight_.capacity() > kKeptBuffer) in_flight_.shrink_to_fit();
  count_queue();
  if (phase_ == Phase::Closed) return;
  if (status < 0) return fail(status);
  flush();
  if (queued() == 0) on_drained();
  run_deferred();
}

void Transport::on_drained() {
  if (gathering_.capacity() > kKeptBuffer) gathering_.shrink_to_fit();
  if (phase_ == Phase::Flushing) {
    start_dropping();
  } else if (ends_) {
    shutdown();
  }
}

std::size_t Transport::queued() const {
  return gathering_.size() + (in_flight_.empty() ? 0 : uv_stream_get_write_queue_size(&stream()));
}

std::uint64_t Transport::bytes_taken() const {
  if (in_flight_.empty()) return bytes_taken_;
  return bytes_taken_ + in_flight_.size() - uv_stream_get_write_queue_size(&stream());
}

// Told later: this is called from within write().
void Transport::fail(int status) {
  gathering_.clear();
  count_queue();
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
  ends_ = true;
  if (queued() == 0) shutdown();
}

// Not uv_shutdown, which costs a turn and two epoll_ctl; the queue is ours and known to be empty.
void Transport::shutdown() {
  if (!std::exchange(shut_down_, true)) ::shutdown(fd(), SHUT_WR);
}

void Transport::linger(Duration linger, Duration stall, std::shared_ptr<void> until_flushed) {
  release();
  if (error_ != 0 || linger <= Duration::zero()) {
    return close_now();
  }
  ++loop_.lingering_;
  phase_ = Phase::Flushing;
  ends_ = true;
  linger_ = linger;
  stall_ = stall;
  until_flushed_ = std::move(until_flushed);
  taken_at_timer_ = bytes_taken();
  timer_.arm(saturating_add(loop_.now(), stall_));
  if (queued() == 0) start_dropping();
}

void Transport::start_dropping() {
  until_flushed_.reset();
  shutdown();
  if (eof_ || loop_.lingering_ > Stream::kMaxLingering) return close_now();
  phase_ = Phase::Dropping;
  timer_.arm(saturating_add(loop_.now(), linger_));
  arm_reads();
}

void Transport::on_read_while_lingering(ssize_t count) {
  if (count > 0) dropped_ += static_cast<std::size_t>(count);
  if (count < 0 || dropped_ > Stream::kMaxDropped) close_now();
}

void Transport::on_timer(Timer&) {
  const bool moves = bytes_taken() > taken_at_timer_ && ++flush_rounds_ < kMaxFlushRounds;
  if (phase_ != Phase::Flushing || !moves) return close_now();
  taken_at_timer_ = bytes_taken();
  timer_.arm(saturating_add(loop_.now(), stall_));
}

void Transport::close_with_reset() {
  const ::linger at_once{1, 0};
  setsockopt(fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close_now();
}

void Transport::close_now() {
  if (phase_ == Phase::Closed) return;
  if (phase_ != Phase::Open) --loop_.lingering_;
  phase_ = Phase::Closed;
  release();
  timer_.disarm();
  cancel_deferred();
  close();
}

}  // namespace outrigger::net
