#include "proxy/upstream/http1_connection.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "proxy/base/check.h"
#include "proxy/base/log.h"
#include "proxy/http/parser.h"
#include "proxy/net/address.h"

namespace outrigger::upstream {
namespace {

// What every response begins with: a peer that speaks something else is not waited for.
constexpr std::string_view kBeginning = "HTTP/1.";

// `timeout=N` of a Keep-Alive field; 0 where it says nothing.
Duration keep_alive_timeout(std::string_view value) {
  static constexpr std::string_view kKey = "timeout=";
  const auto at = value.find(kKey);
  if (at == std::string_view::npos) return {};
  value.remove_prefix(at + kKey.size());
  std::uint32_t seconds = 0;
  const auto result = std::from_chars(value.data(), value.data() + value.size(), seconds);
  return result.ec == std::errc{} ? std::chrono::seconds(std::max(seconds, 1u)) : Duration{};
}

void complain(int uv_error, TimePoint now) {
  static thread_local log::Seldom complaints;
  if (!complaints.due(now)) return;
  log::error(
      "cannot connect to upstreams: {}; tries that need it go to an endpoint that has a "
      "connection, else 503 overflow",
      std::strerror(-uv_error));
}

}  // namespace

ConnectionPtr Http1ConnectionFactory::connect(EndpointPtr endpoint, std::uint32_t slot,
                                              Duration timeout) {
  return ConnectionPtr(new Http1Connection(loop_, shared_, std::move(endpoint), slot, timeout));
}

Http1Connection::Http1Connection(net::Loop& loop, Shared& shared, EndpointPtr endpoint,
                                 std::uint32_t slot, Duration timeout)
    : Connection(std::move(endpoint), slot),
      loop_(loop),
      shared_(shared),
      timer_(loop, *this),
      out_(shared.gathers),
      partial_charge_(loop.buffered()) {
  const auto address = net::Address::parse(this->endpoint()->address);
  INVARIANT(address);  // endpoints are addresses, see Endpoint
  net::ConnectorEvents& events = *this;
  connector_ = std::make_unique<net::Connector>(loop_, address.value(), events);
  timer_.arm(saturating_add(loop_.now(), timeout));
}

Http1Connection::~Http1Connection() = default;

void Http1Connection::retire() {
  user_ = nullptr;
  keeper_ = nullptr;
  draining_ = false;
  phase_ = Phase::Dead;
  timer_.disarm();
  connector_.reset();
  if (stream_) stream_->set_events(nullptr);
  stream_.reset();
  loop_.retire(std::unique_ptr<net::Retirable>(this));
}

void Http1Connection::attach(ConnectionUser& user) {
  user_ = &user;
  keeper_ = nullptr;
  if (phase_ == Phase::Idle) timer_.disarm();
}

// Connecting.

void Http1Connection::on_connected(std::unique_ptr<net::Stream> stream) {
  timer_.disarm();
  stream_ = std::move(stream);
  connector_.reset();
  stream_->set_events(this);
  stream_->set_brings_answers(true);
  stream_->set_patient(!at_once_);  // what the turn still finds may show that it is closed
  stream_->start_reading();
  phase_ = Phase::Idle;
  user_->on_connected();
}

void Http1Connection::on_connect_failed(int uv_error) {
  timer_.disarm();
  phase_ = Phase::Dead;
  const bool ours = net::is_out_of_resources(uv_error);
  if (ours) complain(uv_error, loop_.now());
  std::exchange(user_, nullptr)
      ->on_connect_failed(ours ? ConnectFailure::OutOfResources : ConnectFailure::Refused);
}

void Http1Connection::on_timer(net::Timer&) {
  switch (phase_) {
    case Phase::Connecting:
      phase_ = Phase::Dead;
      connector_.reset();
      return std::exchange(user_, nullptr)->on_connect_failed(ConnectFailure::TimedOut);
    case Phase::Idle:
      if (keeper_) keeper_->on_idle_over(*this);
      return;
    default:
      if (draining_ || cut_off_) lose(false);
  }
}

// The request.

void Http1Connection::send_head(const http::RequestHead& head, const http::RequestAdditions& add,
                                bool at_once) {
  INVARIANT(phase_ == Phase::Idle && user_);
  ++exchanges;
  phase_ = Phase::Head;
  scanner_.reset();
  partial_head_.clear();
  if (partial_head_.capacity() > kKeptCapacity) partial_head_.shrink_to_fit();
  request_framing_ = head.framing;
  unsent_ = head.framing == http::Framing::Length ? head.content_length : 0;
  cut_off_ = false;
  to_head_ = head.is_head;
  upgrade_ = add.keep_upgrade;
  request_complete_ = received_ = reusable_ = false;
  informational_ = 0;
  sent_before_ = stream_->bytes_taken();
  stream_->set_brings_answers(false);  // what is still to be sent is not cut by what came after it
  begun_in_poll_ = loop_.poll_number();
  if (at_once != at_once_) {
    at_once_ = at_once;
    stream_->set_patient(!at_once);
  }
  http::write_request_head(out_.text(), head, add);
}

void Http1Connection::send_body(std::string_view bytes) {
  if (bytes.empty() || !stream_) return;
  if (out_.full()) flush();
  if (request_framing_ == http::Framing::Length && phase_ != Phase::Tunnel) {
    if (bytes.size() > unsent_) return cut_off();
    unsent_ -= bytes.size();
  }
  const bool chunked = request_framing_ == http::Framing::Chunked && phase_ != Phase::Tunnel;
  if (chunked) http::write_chunk_size(out_.text(), bytes.size());
  out_.add(bytes);
  if (chunked) out_.text().append("\r\n");
}

void Http1Connection::send_end(const http::Headers* trailers) {
  if (!stream_) return;
  if (unsent_ > 0 && phase_ != Phase::Tunnel) return cut_off();
  if (request_framing_ == http::Framing::Chunked) http::write_last_chunk(out_.text(), trailers);
  request_complete_ = true;
  stream_->set_brings_answers(phase_ != Phase::Tunnel);
  flush();
}

// The body is not what the head has promised. Whatever came next would be read as a part of it, or
// a part of it as the next request: the connection ends, and the try with it, soon.
void Http1Connection::cut_off() {
  cut_off_ = true;
  timer_.arm(loop_.now());
}

bool Http1Connection::flush() {
  if (!stream_) return true;
  if (!out_.empty()) {
    congested_ = !stream_->write(out_.pieces());
    out_.clear();
  }
  return !congested_;
}

void Http1Connection::on_writable() {
  congested_ = false;
  if (user_) user_->on_connection_writable();
}

void Http1Connection::pause() {
  if (stream_) stream_->stop_reading();
}

void Http1Connection::resume() {
  if (stream_) stream_->start_reading();
}

bool Http1Connection::any_sent() const {
  return stream_ && stream_->bytes_taken() > sent_before_;
}

// A request that leaves at once may be sent again, should a turn of a thousand events deceive here.
bool Http1Connection::came_before() const {
  return !any_sent() || (at_once_ && used_before() && loop_.is_of_poll(begun_in_poll_));
}

// The response.

void Http1Connection::on_read(std::string_view bytes) {
  if (phase_ == Phase::Idle) {
    // Nobody has asked: a late answer, or a peer out of step. Never to be taken for an answer.
    if (keeper_) return keeper_->on_idle_over(*this);
    return lose(true);
  }
  // What had come before the request left is as little an answer to it.
  if (phase_ == Phase::Head && came_before()) return lose(false);
  received_ = true;
  consume(bytes);
  if (user_) user_->on_read_done();
  partial_charge_.set(partial_head_.size());
}

void Http1Connection::consume(std::string_view in) {
  while (has_owner()) {
    switch (phase_) {
      case Phase::Head:
        if (!read_head(in)) return;
        break;
      case Phase::Body:
        if (!read_body(in)) return;
        break;
      case Phase::Tunnel:
        if (!in.empty()) user_->on_response_body(in);
        return;
      default:
        return;
    }
  }
}

// False when more bytes are needed, or nothing more is to be read.
bool Http1Connection::read_head(std::string_view& in) {
  using Kind = http::HeadScanner::Outcome::Kind;
  const std::size_t before = partial_head_.size();
  if (before > 0) partial_head_.append(in);
  const std::string_view bytes = before > 0 ? std::string_view(partial_head_) : in;
  const auto outcome = scanner_.scan(bytes, limits.max_head_bytes);
  const bool alien = !bytes.starts_with(kBeginning.substr(0, bytes.size()));
  if (outcome.kind == Kind::Error || alien) {
    lose(true);
    return false;
  }
  if (outcome.kind == Kind::NeedMore) {
    if (before == 0) partial_head_.assign(in);
    return false;
  }
  in.remove_prefix(outcome.length - before);
  scanner_.reset();
  const bool going_on = take_head(bytes.substr(0, outcome.length));
  if (phase_ == Phase::Head) partial_head_.clear();
  return going_on;
}

bool Http1Connection::take_head(std::string_view block) {
  http::ResponseHead& head = shared_.head;
  head.clear();
  const auto error = http::parse_response(
      block, {.to_head = to_head_, .upgrade_requested = upgrade_}, limits.max_headers, head);
  if (error != http::HeadError::None ||
      (head.informational() && ++informational_ > limits.max_informational_responses)) {
    lose(true);
    return false;
  }
  if (head.informational()) {
    if (user_) user_->on_response_head(head);
    return true;
  }
  phase_ = head.status == 101 ? Phase::Tunnel : Phase::Body;
  if (phase_ == Phase::Tunnel) stream_->set_brings_answers(false);
  keep_alive_ = head.keep_alive;
  idle_hint = keep_alive_timeout(head.headers.value_of(http::Field::KeepAlive));
  body_.start(head.framing, head.content_length, limits.body);
  if (user_) user_->on_response_head(head);
  return true;
}

bool Http1Connection::read_body(std::string_view& in) {
  std::string_view data;
  switch (body_.next(in, data)) {
    case http::BodyReader::Event::Data:
      give(data);
      return true;
    case http::BodyReader::Event::NeedMore:
      return false;
    case http::BodyReader::Event::Done:
      end(false, !in.empty());
      return false;
    case http::BodyReader::Event::Error:
      lose(true);
      return false;
  }
  return false;
}

void Http1Connection::give(std::string_view bytes) {
  if (user_) return user_->on_response_body(bytes);
  drained_ += bytes.size();
  if (drained_ > kMaxDrained) lose(false);
}

void Http1Connection::end(bool peer_closed, bool leftover) {
  if (phase_ == Phase::Tunnel) stream_->send_batched();
  phase_ = Phase::Ended;
  reusable_ = !peer_closed && !leftover && keep_alive_ && request_complete_ && out_.empty() &&
              !stream_->blocked();
  if (draining_) {
    timer_.disarm();
    draining_ = false;
    return std::exchange(keeper_, nullptr)->on_drained(*this);
  }
  std::exchange(user_, nullptr)->on_response_end(body_.trailers());
}

void Http1Connection::on_eof() {
  if (phase_ == Phase::Idle && keeper_) return keeper_->on_idle_over(*this);
  if (!has_owner()) return;
  if (phase_ == Phase::Tunnel ||
      (phase_ == Phase::Body && body_.framing() == http::Framing::UntilClose)) {
    return end(true, false);
  }
  lose(false);
}

void Http1Connection::on_error(int) {
  if (phase_ == Phase::Idle && keeper_) return keeper_->on_idle_over(*this);
  if (has_owner()) lose(false);
}

void Http1Connection::lose(bool bad_response) {
  phase_ = Phase::Dead;
  reusable_ = false;
  if (draining_) {
    timer_.disarm();
    draining_ = false;
    return std::exchange(keeper_, nullptr)->on_drained(*this);
  }
  if (user_) std::exchange(user_, nullptr)->on_connection_lost(bad_response);
}

// Without a user.

void Http1Connection::park(ConnectionKeeper& keeper, TimePoint until) {
  INVARIANT(reusable_ && phase_ == Phase::Ended);
  user_ = nullptr;
  keeper_ = &keeper;
  phase_ = Phase::Idle;
  stream_->start_reading();
  timer_.arm(until);
}

void Http1Connection::drain(ConnectionKeeper& keeper) {
  user_ = nullptr;
  keeper_ = &keeper;
  draining_ = true;
  drained_ = 0;
  stream_->start_reading();
  timer_.arm(saturating_add(loop_.now(), kMaxDrainTime));
}

void Http1Connection::close_gracefully() {
  flush();
  if (stream_) stream_->close_when_drained(kMaxDrainTime);
}

Connection::Bytes Http1Connection::bytes() const {
  return stream_ ? Bytes{.in = stream_->bytes_read(), .out = stream_->bytes_taken()} : Bytes{};
}

}  // namespace outrigger::upstream
