// A network of simulated servers, and connections to them that the real pool and the real attempts
// use.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "proxy/base/random.h"
#include "proxy/simulation/server.h"
#include "proxy/simulation/virtual_time.h"
#include "proxy/upstream/connection.h"

namespace outrigger::simulation {

// The rough edges of its connections.
struct Manners {
  double idle_close_percent = 0;  // of idle connections are closed by the server
  Duration body_time{};           // from head to body, at most
};

class Network final : public upstream::ConnectionFactory {
 public:
  Network(VirtualTime& time, std::uint64_t seed, Manners manners = {})
      : time_(time), random_(seed), manners_(manners) {}
  ~Network() override;

  upstream::ConnectionPtr connect(upstream::EndpointPtr endpoint, std::uint32_t slot,
                                  Duration timeout) override;

  // Made when first named.
  Server& server(const std::string& address);

  // What is to be checked.
  std::uint32_t open_connections() const { return static_cast<std::uint32_t>(alive_.size()); }
  std::uint32_t requests_now() const { return requests_now_; }

 private:
  friend class SimulatedConnection;

  VirtualTime& time_;
  Random random_;
  Manners manners_;
  std::map<std::string, std::unique_ptr<Server>> servers_;
  std::map<std::uint64_t, class SimulatedConnection*> alive_;
  std::uint64_t last_id_ = 0;
  std::uint32_t requests_now_ = 0;
};

}  // namespace outrigger::simulation
