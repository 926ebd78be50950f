#include "proxy/downstream/request.h"

#include "proxy/downstream/connection.h"

namespace outrigger::downstream {

void Request::reset() {
  unlink();
  timer.disarm();
  out.clear();
  exchange.trim();
  connection = nullptr;
  response_framing = http::Framing::None;
  dropped = 0;
  body_done = over = complete = close = continue_sent = false;
}

void Request::run() {
  connection->go_on();
}

void Request::on_timer(net::Timer&) {
  if (exchange.active()) exchange.on_time();
}

void Waiting::reset() {
  scanner.reset();
  charge.set(0);
  bytes.clear();
  if (bytes.capacity() > kKeptCapacity) bytes.shrink_to_fit();
}

}  // namespace outrigger::downstream
