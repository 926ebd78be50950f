// The counters of a bulkhead: how many requests and busy connections there are, and may be.
//
// A try takes a place of each together. They come back apart where the connection outlives the
// request: an upgraded one, or one on which a dropped response is still read. A limit that a
// reload has lowered below what is out only lets nobody in.
#pragma once

#include <cstdint>

#include "proxy/base/check.h"

namespace outrigger::policy {

class ConcurrencyLimit {
 public:
  ConcurrencyLimit(std::uint32_t max_requests, std::uint32_t max_connections)
      : max_requests_(max_requests), max_connections_(max_connections) {}

  void configure(std::uint32_t max_requests, std::uint32_t max_connections) {
    max_requests_ = max_requests;
    max_connections_ = max_connections;
  }

  bool has_room() const { return requests_ < max_requests_ && connections_ < max_connections_; }

  // One place of each, or none.
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
  // A 101: the connection goes on as a tunnel. Its place comes back by release_connection().
  void release_request_keep_connection() {
    INVARIANT(requests_ > 0);
    --requests_;
  }
  // The tunnel ended, or the connection is idle after all.
  void release_connection() {
    INVARIANT(connections_ > requests_);  // a request has a connection
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
