// A bulkhead's counters: requests under way and connections in use. A try takes one of each; what
// it does not need any longer it gives back by itself.
//
// Who waits for a place is pending_queue.h; that a place is handed over is the owner's business.
#pragma once

#include <cstdint>

#include "proxy/base/check.h"

namespace outrigger::policy {

class ConcurrencyLimit {
 public:
  ConcurrencyLimit(std::uint32_t max_requests, std::uint32_t max_connections)
      : max_requests_(max_requests), max_connections_(max_connections) {}
  // Lower limits take effect as places come back.
  void configure(std::uint32_t max_requests, std::uint32_t max_connections) {
    max_requests_ = max_requests;
    max_connections_ = max_connections;
  }

  bool has_room() const { return requests_ < max_requests_ && connections_ < max_connections_; }
  bool try_acquire() {
    if (!has_room()) return false;
    ++requests_;
    ++connections_;
    return true;
  }
  void release() {
    release_request_keep_connection();
    release_connection();
  }
  void release_request_keep_connection() {
    INVARIANT(requests_ > 0);
    --requests_;
  }
  void release_connection() {
    INVARIANT(connections_ > 0);
    --connections_;
  }

  std::uint32_t requests() const { return requests_; }
  std::uint32_t connections() const { return connections_; }

 private:
  std::uint32_t max_requests_;
  std::uint32_t max_connections_;
  std::uint32_t requests_ = 0;
  std::uint32_t connections_ = 0;
};

}  // namespace outrigger::policy
