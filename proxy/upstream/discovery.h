// Keeps an upstream's endpoints what its configuration says: addresses as they are, host names by
// resolving them at the start and again every few seconds.
//
// Runs on the control loop. A name that fails keeps its last good addresses; one that never
// resolved has none, and the upstream says so.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/base/random.h"
#include "proxy/net/address.h"
#include "proxy/net/loop.h"
#include "proxy/net/resolver.h"
#include "proxy/net/timer.h"
#include "proxy/upstream/cluster_state.h"

namespace outrigger::upstream {

class Discovery final : private net::TimerEvents {
 public:
  static constexpr Duration kInterval = std::chrono::seconds(5);  // ± 10 %
  // A resolution that has not answered by then has failed.
  static constexpr Duration kTimeout = std::chrono::seconds(10);

  // `before`: of the same upstream, whose addresses of names that stay are kept; null at the start.
  Discovery(net::Loop& loop, std::shared_ptr<ClusterState> state, const config::Upstream& settings,
            std::uint64_t seed, const Discovery* before);
  ~Discovery() override;

  // Every name has answered or failed once.
  bool first_round_done() const { return pending_ == 0 || rounds_ > 0; }
  // A thread of the process is asking a name server, and ends only when that answers.
  bool resolving() const { return pending_ > 0; }

 private:
  struct Name final : net::ResolutionEvents {
    Discovery* owner = nullptr;
    std::string host;
    std::uint16_t port = 0;
    WantedEndpoint wanted;                // of each of its addresses, but for the address
    std::vector<net::Address> addresses;  // the last good ones
    std::string complaint;  // "HOST: REASON" while it fails; logged once for each reason
    std::unique_ptr<net::Resolution> resolution;

    void on_resolved(std::vector<net::Address> found) override;
    void on_resolve_failed(std::string reason) override;
  };

  void on_timer(net::Timer& timer) override;
  void resolve_all();
  void answered();
  void publish();
  std::string first_complaint() const;  // empty: all resolve
  const Name* find(const std::string& configured) const;

  net::Loop& loop_;
  std::shared_ptr<ClusterState> state_;
  std::string upstream_;
  Random random_;
  net::Timer timer_;
  std::vector<WantedEndpoint> fixed_;
  std::vector<std::unique_ptr<Name>> names_;
  std::size_t pending_ = 0;
  std::uint32_t rounds_ = 0;
};

}  // namespace outrigger::upstream
