#include "proxy/net/stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "proxy/net/transport.h"

namespace outrigger::net {

Stream::Stream(Transport& connected) {
  connected.set_owner(&transport_);
}

Result<std::unique_ptr<Stream>, int> Stream::adopt(Loop& loop, int fd) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  auto* native = reinterpret_cast<sockaddr*>(&peer);
  if (getpeername(fd, native, &size) != 0) {
    const int error = -errno;
    ::close(fd);
    return error;
  }
  const auto transport = Transport::open(loop, fd, *native);
  if (!transport) return transport.error();
  return std::make_unique<Stream>(*transport.value());
}

Stream::~Stream() {
  if (Transport* transport = release()) transport->close_now();
}

Transport* Stream::release() {
  if (transport_ == nullptr) return nullptr;
  final_bytes_taken_ = transport_->bytes_taken();
  final_bytes_read_ = transport_->bytes_read();
  transport_->release();
  return std::exchange(transport_, nullptr);
}

void Stream::set_events(StreamEvents* events) {
  if (transport_ != nullptr) transport_->set_events(events);
}

void Stream::start_reading() {
  if (transport_ != nullptr) transport_->start_reading();
}

void Stream::stop_reading() {
  if (transport_ != nullptr) transport_->stop_reading();
}

bool Stream::write(std::span<const std::string_view> pieces) {
  return transport_ == nullptr || transport_->write(pieces);
}

void Stream::set_brings_answers(bool brings) {
  if (transport_ != nullptr) transport_->set_brings_answers(brings);
}

void Stream::set_patient(bool patient) {
  if (transport_ != nullptr) transport_->set_patient(patient);
}

void Stream::send_batched() {
  if (transport_ != nullptr) transport_->send_batched();
}

std::size_t Stream::queued() const {
  return transport_ == nullptr ? 0 : transport_->queued();
}

bool Stream::blocked() const {
  return transport_ != nullptr && transport_->blocked();
}

bool Stream::failed() const {
  return transport_ == nullptr || transport_->failed();
}

std::uint64_t Stream::bytes_taken() const {
  return transport_ == nullptr ? final_bytes_taken_ : transport_->bytes_taken();
}

std::uint64_t Stream::bytes_read() const {
  return transport_ == nullptr ? final_bytes_read_ : transport_->bytes_read();
}

void Stream::shutdown_when_drained() {
  if (transport_ != nullptr) transport_->shutdown_when_drained();
}

void Stream::close_when_drained(Duration linger, Duration stall,
                                std::shared_ptr<void> until_flushed) {
  send_batched();
  if (Transport* transport = release()) {
    transport->linger(linger, stall, std::move(until_flushed));
  }
}

void Stream::reset() {
  if (Transport* transport = release()) transport->close_with_reset();
}

std::string_view Stream::peer_ip() const {
  return transport_ == nullptr ? std::string_view{} : transport_->peer_ip();
}

std::uint16_t Stream::peer_port() const {
  return transport_ == nullptr ? 0 : transport_->peer_port();
}

std::uint16_t Stream::local_port() const {
  return transport_ == nullptr ? 0 : transport_->local_port();
}

}  // namespace outrigger::net
