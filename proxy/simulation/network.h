// A network that fails on purpose: endpoints whose behaviour changes with time, and connections to
// them that the real pool and the real attempts use.
#pragma once

#include <map>
#include <string>

#include "proxy/base/random.h"
#include "proxy/simulation/virtual_time.h"
#include "proxy/upstream/connection.h"

namespace outrigger::simulation {

// How an endpoint behaves at the moment.
struct Behaviour {
  bool refuses = false;        // connects are refused
  bool black_hole = false;     // connects time out, requests are never answered
  double error_share = 0;      // answered 503
  double reset_share = 0;      // closed before the head
  double break_share = 0;      // closed in the body
  double elsewhere_share = 0;  // answered 503, marked x-outrigger-retry: elsewhere
  Duration latency = std::chrono::milliseconds(5);  // mean time to the head
};

class Network final : public upstream::ConnectionFactory {
 public:
  Network(VirtualTime& time, std::uint64_t seed) : time_(time), random_(seed) {}
  ~Network() override;

  upstream::ConnectionPtr connect(upstream::EndpointPtr endpoint, std::uint32_t slot,
                                  Duration timeout) override;

  Behaviour& behaviour(const std::string& address) { return endpoints_[address].behaviour; }

  // What is to be checked.
  std::uint32_t open_connections() const { return static_cast<std::uint32_t>(alive_.size()); }
  std::uint32_t requests_now() const { return requests_now_; }
  std::uint32_t most_requests() const { return most_requests_; }
  std::uint32_t most_connections() const { return most_connections_; }
  std::uint64_t requests() const { return requests_; }

 private:
  friend class FakeConnection;
  struct Endpoint {
    Behaviour behaviour;
  };

  VirtualTime& time_;
  Random random_;
  std::map<std::string, Endpoint> endpoints_;
  std::map<std::uint64_t, class FakeConnection*> alive_;
  std::uint64_t last_id_ = 0;
  std::uint32_t requests_now_ = 0;
  std::uint32_t most_requests_ = 0;
  std::uint32_t most_connections_ = 0;
  std::uint64_t requests_ = 0;
};

}  // namespace outrigger::simulation
