// What a caller's connection holds only while a request is under way; pooled per worker, so that
// an idle connection stays small and a busy one allocates nothing.
#pragma once

#include <memory>
#include <vector>

#include "proxy/exchange/exchange.h"
#include "proxy/http/body_reader.h"
#include "proxy/http/gather.h"

namespace outrigger::downstream {

struct Request {
  exchange::Exchange exchange;
  http::BodyReader body;
  http::Gather out;
  http::Framing response_framing = http::Framing::None;
  std::uint64_t dropped = 0;  // body bytes nobody wants any more
  bool body_done = false;     // its last byte has arrived
  bool over = false;          // the exchange has ended
  bool complete = false;      // … with a whole response
  bool close = false;         // the connection ends with it
  bool continue_sent = false;
};

class RequestPool {
 public:
  std::unique_ptr<Request> acquire() {
    if (spare_.empty()) return std::make_unique<Request>();
    auto request = std::move(spare_.back());
    spare_.pop_back();
    return request;
  }

  void release(std::unique_ptr<Request> request) {
    if (spare_.size() >= kMaxSpare) return;
    request->out.clear();
    request->exchange.trim();
    request->response_framing = http::Framing::None;
    request->dropped = 0;
    request->body_done = request->over = request->complete = request->close = false;
    request->continue_sent = false;
    spare_.push_back(std::move(request));
  }

 private:
  static constexpr std::size_t kMaxSpare = 256;
  std::vector<std::unique_ptr<Request>> spare_;
};

}  // namespace outrigger::downstream
