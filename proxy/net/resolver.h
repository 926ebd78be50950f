// A name's addresses, from the system's resolver in libuv's thread pool; never blocks the loop.
//
// getaddrinfo knows no time to live, and libuv runs two of them at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proxy/net/address.h"
#include "proxy/net/deferred.h"

namespace outrigger::net {

class Loop;

// One of the two, once, never from inside the constructor. The resolution may be destroyed there.
class ResolutionEvents {
 public:
  virtual ~ResolutionEvents() = default;
  // Sorted, without doubles, not empty, at most Resolution::kMaxAddresses.
  virtual void on_resolved(std::vector<Address> addresses) = 0;
  virtual void on_resolve_failed(std::string reason) = 0;
};

class Resolution : private Deferred {
 public:
  static constexpr std::size_t kMaxAddresses = 1024;

  // Starts. `events` outlives the resolution; destroying it is giving up.
  Resolution(Loop& loop, const std::string& name, std::uint16_t port, ResolutionEvents& events);
  ~Resolution() override;
  Resolution(const Resolution&) = delete;
  Resolution& operator=(const Resolution&) = delete;

 private:
  struct Request;

  void run_deferred() override;
  void fail(int status);

  ResolutionEvents& events_;
  std::string name_;
  Request* request_ = nullptr;
  int status_ = 0;  // of a request that could not be started
};

}  // namespace outrigger::net
