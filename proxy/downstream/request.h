// What a caller's connection holds only for a while, pooled per worker, so that an idle connection
// stays small and a busy one allocates nothing: a request under way, and bytes that wait.
#pragma once

#include <memory>
#include <string>

#include "proxy/base/buffered_bytes.h"
#include "proxy/base/pool.h"
#include "proxy/exchange/exchange.h"
#include "proxy/http/body_reader.h"
#include "proxy/http/gather.h"
#include "proxy/http/head_scanner.h"
#include "proxy/net/timer.h"

namespace outrigger::downstream {

class Connection;

struct Request final : exchange::Task, private net::TimerEvents {
  Request(net::Loop& loop, http::Gather::Spare& gathers) : timer(loop, *this), out(gathers) {}

  // As new, but for memory that is kept.
  void reset();
  void run() override;  // after its exchange is over

  Connection* connection = nullptr;
  exchange::Exchange exchange;
  net::Timer timer;  // the exchange's
  http::BodyReader body;
  http::Gather out;
  http::Framing response_framing = http::Framing::None;
  std::uint64_t dropped = 0;  // body bytes nobody wants any more
  bool body_done = false;     // its last byte has arrived
  bool over = false;          // the exchange has ended
  bool complete = false;      // … with a whole response
  bool close = false;         // the connection ends with it
  bool continue_sent = false;

 private:
  void on_timer(net::Timer& timer) override;
};

// A head that has not come whole, or bytes for the next request.
struct Waiting {
  // What a spare one keeps of its memory.
  static constexpr std::size_t kKeptCapacity = 4 * 1024;

  void reset();

  http::HeadScanner scanner;
  std::string bytes;
  BufferCharge charge;
};

struct Pools {
  // As many requests as a busy worker has under way at once.
  static constexpr std::size_t kMostSpare = 1024;

  void trim(std::size_t most) {
    requests.trim(most);
    waiting.trim(most);
  }

  http::Gather::Spare gathers;
  Pool<Request, kMostSpare> requests;
  Pool<Waiting, 256> waiting;
};

}  // namespace outrigger::downstream
