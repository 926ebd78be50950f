#include "proxy/downstream/connection.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/downstream/listener.h"
#include "proxy/http/parser.h"
#include "proxy/http/writer.h"

namespace outrigger::downstream {
namespace {

using exchange::FailureKind;
using exchange::TimeoutKind;
using http::Framing;

FailureKind failure_of(http::HeadError error) {
  switch (error) {
    case http::HeadError::None:
      return FailureKind::None;
    case http::HeadError::Malformed:
      return FailureKind::BadRequest;
    case http::HeadError::HeadTooLarge:
      return FailureKind::HeadTooLarge;
    case http::HeadError::UriTooLong:
      return FailureKind::UriTooLong;
    case http::HeadError::NotImplemented:
      return FailureKind::NotImplemented;
    case http::HeadError::ExpectationFailed:
      return FailureKind::ExpectationFailed;
    case http::HeadError::VersionNotSupported:
      return FailureKind::VersionNotSupported;
  }
  return FailureKind::BadRequest;
}

}  // namespace

Connection::Connection(Listener& listener, std::unique_ptr<net::Stream> stream, bool refuse)
    : listener_(listener),
      stream_(std::move(stream)),
      phase_timer_(listener.loop(), *this),
      refuse_(refuse) {}

Connection::~Connection() = default;

Connection::WriteWatch::WriteWatch(Connection& connection)
    : timer(connection.listener_.loop(), connection) {}

void Connection::start() {
  stream_->set_events(this);
  stream_->start_reading();
  set_clock(Clock::FirstByte, listener_.settings().timeouts.head);
  if (refuse_) give_last_call();
}

// Bytes in.

void Connection::on_read(std::string_view bytes) {
  bump(listener_.counters().bytes_in, bytes.size());
  consume(bytes);
  if (request_ && request_->exchange.active()) request_->exchange.on_read_done();
  count_waiting();
}

void Connection::consume(std::string_view in) {
  while (!closing_) {
    // A body may be done without a further byte, so it is asked also when there is none.
    const bool in_body = request_ && !request_->body_done;
    if (in.empty() && !in_body) return;
    if (!request_) {
      if (!read_head(in)) return;
    } else if (request_->exchange.active() && request_->exchange.tunnelled()) {
      if (waiting_) return keep_for_later(in);  // after what waits already
      return request_->exchange.on_body(in);
    } else if (in_body) {
      if (!read_body(in)) return;
    } else {
      return keep_for_later(in);
    }
  }
}

// False when more bytes are needed.
bool Connection::read_head(std::string_view& in) {
  using Kind = http::HeadScanner::Outcome::Kind;
  const std::size_t before = waiting_ ? waiting_->bytes.size() : 0;
  if (waiting_) waiting_->bytes.append(in);
  const std::string_view bytes = waiting_ ? std::string_view(waiting_->bytes) : in;
  http::HeadScanner fresh;
  auto& scanner = waiting_ ? waiting_->scanner : fresh;
  const auto outcome = scanner.scan(bytes, listener_.settings().limits.max_head_bytes);
  switch (outcome.kind) {
    case Kind::NeedMore:
      if (!waiting_) {
        keep(in);
        waiting_->scanner = fresh;
      }
      if (over_its_share()) {
        refuse(FailureKind::Overflow);
        return false;
      }
      if (clock_ != Clock::Head) set_clock(Clock::Head, listener_.settings().timeouts.head);
      return false;
    case Kind::Error:
      refuse(failure_of(outcome.error));
      return false;
    case Kind::Complete:
      in.remove_prefix(outcome.length - before);
      begin(bytes.substr(0, outcome.length), in.size());
      return true;
  }
  return false;
}

void Connection::take_request() {
  Pools& pools = listener_.pools();
  request_ = pools.requests.take(listener_.loop(), pools.gathers);
  request_->connection = this;
  bump(listener_.counters().requests);
}

void Connection::drop_request() {
  if (!request_) return;
  request_->reset();
  listener_.pools().requests.keep(std::move(request_));
  bump(listener_.counters().requests, -1U);
}

void Connection::begin(std::string_view block, std::size_t beyond) {
  take_request();
  auto& exchange = request_->exchange;
  // Neither assign() nor ranges::copy(), which GCC makes loops of: it is long.
  std::string& kept = exchange.head_block();
  kept.resize(block.size());
  std::copy(block.begin(), block.end(), kept.begin());
  let_go(std::move(waiting_));
  ++requests_;
  end_last_call();
  clock_ = Clock::None;
  phase_timer_.disarm();

  const auto& limits = listener_.settings().limits;
  const auto parse = [&] {
    head().clear();
    return http::parse_request(exchange.head_block(),
                               {.max_head_bytes = limits.max_head_bytes,
                                .max_headers = limits.max_headers,
                                .max_uri_bytes = limits.max_uri_bytes},
                               head());
  };
  auto error = parse();
  if (error == http::HeadError::Malformed && http::insert_missing_path(exchange.head_block())) {
    error = parse();
  }
  if (error != http::HeadError::None) {
    request_->close = true;
    head().keep_alive = true;  // what else it said counts for nothing, and a body may follow
    request_->body.start(Framing::None, 0);
    return exchange.refuse(listener_.scope(), listener_.routes(), *this, failure_of(error));
  }
  request_->body.start(head().framing, head().content_length,
                       {.max_chunk_extension_bytes = limits.max_chunk_extension_bytes,
                        .max_trailer_bytes = limits.max_trailer_bytes});
  request_->body_done = head().framing == Framing::None;
  if (!request_->body_done) set_clock(Clock::Body, listener_.settings().timeouts.read);
  if (refuse_) {
    request_->close = true;
    return exchange.refuse(listener_.scope(), listener_.routes(), *this, FailureKind::Draining);
  }
  const bool body_arrived = head().framing == Framing::Length && head().content_length <= beyond;
  exchange.begin(listener_.scope(), listener_.routes(), *this, body_arrived);
}

// A head that cannot be understood: answered once, then the connection ends.
void Connection::refuse(FailureKind kind) {
  take_request();
  request_->close = true;
  request_->exchange.head_block().clear();
  head().clear();
  let_go(std::move(waiting_));
  request_->exchange.refuse(listener_.scope(), listener_.routes(), *this, kind);
}

// False when more bytes are needed.
bool Connection::read_body(std::string_view& in) {
  auto& exchange = request_->exchange;
  std::string_view data;
  switch (request_->body.next(in, data)) {
    case http::BodyReader::Event::Data:
      if (exchange.active()) {
        exchange.on_body(data);
      } else if ((request_->dropped += data.size()) > kMaxDropped) {
        request_->close = true;
        close_after_flush();
      }
      return true;
    case http::BodyReader::Event::NeedMore:
      if (!body_paused_) set_clock(Clock::Body, listener_.settings().timeouts.read);
      return false;
    case http::BodyReader::Event::Done:
      request_->body_done = true;
      clock_ = Clock::None;
      phase_timer_.disarm();
      if (exchange.active()) {
        exchange.on_request_end(request_->body.trailers());
      } else {
        go_on_soon();
      }
      return true;
    case http::BodyReader::Event::Error:
      request_->close = true;
      if (exchange.active()) {
        exchange.on_bad_body();
      } else {
        close_after_flush();
      }
      return false;
  }
  return false;
}

// More of an unfinished head than is this caller's part while memory is short: those who are whole
// go first.
bool Connection::over_its_share() const {
  const BufferedBytes* buffered = listener_.loop().buffered();
  return buffered && buffered->value() >= buffered->bound() &&
         waiting_->bytes.size() > buffered->share();
}

void Connection::keep(std::string_view in) {
  if (!waiting_) {
    waiting_ = listener_.pools().waiting.take();
    waiting_->charge.move_to(listener_.loop().buffered());
  }
  waiting_->bytes.append(in);
}

void Connection::keep_for_later(std::string_view in) {
  keep(in);
  const BufferedBytes* buffered = listener_.loop().buffered();
  const std::uint64_t most = listener_.settings().limits.max_pipelined_bytes;
  const std::uint64_t share = buffered ? buffered->share() : most;
  if (waiting_->bytes.size() < std::min(most, share) || pending_full_) return;
  pending_full_ = true;
  stream_->stop_reading();
}

void Connection::count_waiting() {
  if (waiting_) waiting_->charge.set(waiting_->bytes.size());
}

void Connection::let_go(std::unique_ptr<Waiting> waiting) {
  if (!waiting) return;
  waiting->reset();
  listener_.pools().waiting.keep(std::move(waiting));
}

void Connection::on_eof() {
  if (request_ && request_->exchange.active()) request_->exchange.on_caller_gone();
  if (!request_ || (request_->over && request_->complete)) return close_after_flush();
  die();
}

void Connection::on_error(int) {
  if (request_ && request_->exchange.active()) request_->exchange.on_caller_gone();
  die();
}

void Connection::on_writable() {
  congested_ = false;
  if (request_ && request_->exchange.active()) return request_->exchange.on_caller_writable();
  if (request_) go_on_soon();
}

void Connection::on_blocked() {
  watch_writes();
}

// The exchange's caller.

void Connection::wake_at(TimePoint at) {
  if (at == kNever) {
    request_->timer.disarm();
  } else {
    request_->timer.arm(at);
  }
}

// Whether the rest of the request stands in the way of another one on this connection.
bool Connection::must_close() const {
  const auto& request = *request_;
  if (request.close || refuse_ || listener_.closing_keep_alive()) return true;
  auto& exchange = request_->exchange;
  if (!exchange.request().keep_alive) return true;
  const auto& most = listener_.settings().limits.max_requests_per_connection;
  if (most && requests_ >= *most) return true;
  if (request.body_done) return false;
  if (exchange.request().expect_continue && !request.continue_sent) return true;
  return exchange.request().framing == Framing::Chunked || request.body.remaining() > kMaxDropped;
}

void Connection::send_informational(const http::ResponseHead& informational) {
  // Nothing waits for it, and nothing holds its sender back; but for a 100, it may be left out.
  if (congested_ && informational.status != 100) return;
  request_->continue_sent = request_->continue_sent || informational.status == 100;
  http::write_informational(request_->out.text(), informational);
  flush();
}

void Connection::send_head(const http::ResponseHead& response, std::string_view fallback_reason) {
  Request& request = *request_;
  const bool http10 = head().minor_version == 0;
  const bool tunnel = response.status == 101;
  request.response_framing = tunnel ? Framing::UntilClose : response.framing;
  const bool unknown_length =
      response.framing == Framing::Chunked || response.framing == Framing::UntilClose;
  if (!tunnel && unknown_length) {
    request.response_framing = http10 ? Framing::UntilClose : Framing::Chunked;
  }
  const bool until_close = !tunnel && request.response_framing == Framing::UntilClose;
  request.close = !tunnel && (until_close || must_close());
  std::string proxy_status;
  if (!fallback_reason.empty()) {
    proxy_status = fmt::format("outrigger; details=\"{}; fallback\"", fallback_reason);
  }
  // A response without a date gets the one of its arrival (RFC 9110, 6.6.1).
  const bool dated = response.headers.has(http::Field::Date);
  const http::HeaderEdits* edits = request.exchange.response_edits();
  http::write_response_head(
      request.out.text(), response,
      {.request_id = request.exchange.request_id(),
       .date = dated ? std::string_view() : listener_.date(),
       .proxy_status = proxy_status,
       .close = request.close,
       .keep_alive_10 = http10 && !request.close && !tunnel,
       .chunked = request.response_framing == Framing::Chunked,
       .via = listener_.settings().via,
       .set_cookies = request.exchange.set_cookies(),
       .edits = edits,
       .variables = edits ? request.exchange.response_variables() : http::HeaderVariables{}});
  if (!tunnel) return;
  // What the request still owes, and what came after it, belongs to the tunnel.
  request.body_done = true;
  clock_ = Clock::None;
  phase_timer_.disarm();
  if (waiting_) go_on_soon();
}

void Connection::send_body(std::string_view bytes) {
  if (bytes.empty()) return;
  auto& out = request_->out;
  if (out.full()) flush();
  const bool chunked = request_->response_framing == Framing::Chunked;
  if (chunked) http::write_chunk_size(out.text(), bytes.size());
  out.add(bytes);
  if (chunked) out.text().append("\r\n");
}

void Connection::send_end(const http::Headers* trailers) {
  if (request_->response_framing == Framing::Chunked) {
    http::write_last_chunk(request_->out.text(), trailers);
  }
  flush();
}

std::uint64_t Connection::send_local(const exchange::LocalReply& reply) {
  Request& request = *request_;
  const bool http10 = head().minor_version == 0;
  request.close = must_close();
  http::LocalResponse response{.status = reply.status,
                               .body = reply.body,
                               .request_id = request.exchange.request_id(),
                               .date = listener_.date(),
                               .outrigger_retry = reply.refused_elsewhere ? "elsewhere"
                                                  : reply.retry_no        ? "no"
                                                                          : "",
                               .retry_after_s = reply.retry_after_s,
                               .close = request.close,
                               .keep_alive_10 = http10 && !request.close,
                               .head_only = head().is_head,
                               .headers = reply.headers};
  std::string body, proxy_status;
  if (reply.fallback) {
    const auto error = reply.error.empty() ? "" : fmt::format("error={}; ", reply.error);
    proxy_status = fmt::format("outrigger; {}details=\"{}; fallback\"", error, reply.reason);
    response.proxy_status = proxy_status;
  } else if (!reply.error.empty()) {
    proxy_status = fmt::format("outrigger; error={}; details=\"{}\"", reply.error, reply.reason);
    const bool json = listener_.local_reply_format() == config::LocalReplyFormat::Json;
    body = json ? fmt::format(R"({{"status":{},"error":"{}","reason":"{}","message":"{}"}})"
                              "\n",
                              reply.status, reply.error, reply.reason, reply.body)
                : fmt::format("{}\n", reply.body);
    response.proxy_status = proxy_status;
    response.body = body;
    response.content_type = json ? "application/json" : "text/plain; charset=utf-8";
  }
  request.response_framing = Framing::None;
  const auto body_bytes = http::write_local_response(request.out.text(), response);
  flush();
  return body_bytes;
}

bool Connection::flush() {
  auto& out = request_->out;
  if (out.empty()) return !congested_;
  const auto pieces = out.pieces();
  congested_ = !stream_->write(pieces);
  if (!stream_->failed()) {
    for (const auto piece : pieces) bump(listener_.counters().bytes_out, piece.size());
  }
  out.clear();
  watch_writes();
  return !congested_;
}

void Connection::pause_body() {
  body_paused_ = true;
  stream_->stop_reading();
  if (clock_ == Clock::Body) {  // the wait is ours, not the caller's
    clock_ = Clock::None;
    phase_timer_.disarm();
  }
}

void Connection::resume_body() {
  body_paused_ = false;
  if (!pending_full_) stream_->start_reading();
  if (body_unread()) set_clock(Clock::Body, listener_.settings().timeouts.read);
}

void Connection::on_exchange_over(bool complete) {
  request_->over = true;
  request_->complete = complete;
  if (!complete) flush();  // what there is of it; its bytes may be gone later
  go_on_soon();
}

// Between requests.

void Connection::go_on_soon() {
  if (!request_->scheduled()) listener_.scope().scheduler->soon(*request_);
}

void Connection::go_on() {
  if (closing_) return die();
  if (request_ && !request_->over) {  // a tunnel was entered: what waited belongs to it
    auto waiting = std::move(waiting_);
    if (!waiting) return;
    if (std::exchange(pending_full_, false)) stream_->start_reading();
    request_->exchange.on_body(waiting->bytes);
    request_->exchange.on_read_done();
    return let_go(std::move(waiting));
  }
  if (!request_) return;
  if (!request_->complete) {
    // Broken off. A length or a chunk that does not end shows it; the end of the connection alone
    // would look like a whole response, so that one is reset. So is a fault that is to look like
    // one: nothing else ends without an answer. What there is of it goes out first.
    stream_->send_batched();
    const auto& exchange = request_->exchange;
    const bool looks_whole =
        request_->response_framing == Framing::UntilClose && !exchange.tunnelled();
    if (looks_whole || !exchange.head_sent()) stream_->reset();
    return close_after_flush();
  }
  if (caller_is_done()) return die();
  if (request_->close || request_->exchange.tunnelled()) return close_after_flush();
  if (!request_->body_done) return resume_body();  // the rest is read and dropped
  if (!congested_) next_request();  // else when the caller has taken some of it: on_writable()
}

// It has said that this request is its last (RFC 9112, 9.6), and has sent it whole: nothing more
// comes for which a reset could take the answer from it.
bool Connection::caller_is_done() {
  auto& exchange = request_->exchange;
  if (exchange.request().keep_alive || !request_->body_done || exchange.tunnelled() || waiting_) {
    return false;
  }
  stream_->send_batched();
  return stream_->queued() == 0;
}

void Connection::next_request() {
  drop_request();
  if (body_paused_ || pending_full_) {
    body_paused_ = pending_full_ = false;
    stream_->start_reading();
  }
  set_clock(Clock::KeepAlive, listener_.settings().timeouts.keepalive);
  if (!listener_.accepting()) give_last_call();  // its head went out before that was known
  if (!waiting_) return;
  auto waiting = std::move(waiting_);
  consume(waiting->bytes);
  if (request_ && request_->exchange.active()) request_->exchange.on_read_done();
  let_go(std::move(waiting));
  count_waiting();
}

void Connection::give_last_call() {
  if (request_ || last_call_) return;
  last_call_ = true;
  bump(listener_.counters().requests);
  if (!waiting_) set_clock(Clock::LastCall, kLastCall);
}

void Connection::end_last_call() {
  if (std::exchange(last_call_, false)) bump(listener_.counters().requests, -1U);
}

// What is queued still goes out, and counts as a request under way until it has.
void Connection::close_after_flush() {
  std::shared_ptr<void> under_way;
  stream_->send_batched();
  if (stream_->queued() > 0) under_way = listener_.count_request();
  stream_->close_when_drained(kLinger, listener_.settings().timeouts.write, std::move(under_way));
  die();
}

void Connection::abandon() {
  if (request_ && request_->exchange.active()) request_->exchange.on_caller_gone();
  die();
}

// Nothing of this connection runs any more; its memory goes at the end of the turn.
void Connection::die() {
  if (closing_) return;
  closing_ = true;
  phase_timer_.disarm();
  write_watch_.reset();
  stream_->set_events(nullptr);
  stream_->send_batched();
  stream_.reset();
  drop_request();
  end_last_call();
  listener_.remove(*this);
}

// Clocks.

void Connection::set_clock(Clock clock, Duration after) {
  clock_ = clock;
  phase_timer_.arm(saturating_add(listener_.loop().now(), after));
}

// `write`: the caller takes nothing. Looked at once per period, while the stream is blocked.
void Connection::watch_writes() {
  if (!stream_->blocked()) return;
  if (!write_watch_) write_watch_ = std::make_unique<WriteWatch>(*this);
  auto& [timer, taken] = *write_watch_;
  if (timer.armed()) return;
  taken = stream_->bytes_taken();
  timer.arm(saturating_add(listener_.loop().now(), listener_.settings().timeouts.write));
}

void Connection::on_timer(net::Timer& timer) {
  if (&timer == &phase_timer_) return on_phase_time();
  if (!stream_->blocked()) return;
  if (stream_->bytes_taken() != write_watch_->taken) return watch_writes();
  if (request_ && request_->exchange.active()) {
    request_->exchange.on_caller_stalled(TimeoutKind::Write);
  }
  stream_->reset();
  die();
}

void Connection::on_phase_time() {
  switch (std::exchange(clock_, Clock::None)) {
    case Clock::None:
      return;
    case Clock::FirstByte:
      bump(listener_.counters().head_timeouts);
      return close_after_flush();
    case Clock::LastCall:
      return close_after_flush();
    case Clock::Head:
      bump(listener_.counters().head_timeouts);
      return refuse(FailureKind::HeadTimeout);
    case Clock::KeepAlive:
      bump(listener_.counters().keepalive_timeouts);
      return close_after_flush();
    case Clock::Body:
      if (!request_) return;
      request_->close = true;
      if (request_->exchange.active()) {
        request_->exchange.on_caller_stalled(TimeoutKind::Read);
      } else {
        close_after_flush();
      }
  }
}

}  // namespace outrigger::downstream
