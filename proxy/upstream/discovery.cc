#include "proxy/upstream/discovery.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/base/log.h"

namespace outrigger::upstream {

Discovery::Discovery(net::Loop& loop, std::shared_ptr<ClusterState> state,
                     const config::Upstream& settings, std::uint64_t seed, const Discovery* before)
    : loop_(loop),
      state_(std::move(state)),
      upstream_(settings.name),
      random_(seed),
      timer_(loop, *this) {
  for (const config::Endpoint& endpoint : settings.endpoints) {
    const auto address = net::Address::parse(endpoint.address);
    INVARIANT(address);  // validate.h has refused what is no address
    const WantedEndpoint wanted{.address = address.value().to_string(),
                                .configured = endpoint.address,
                                .weight = endpoint.weight,
                                .zone = endpoint.zone,
                                .priority = endpoint.priority};
    if (address.value().kind() != net::Address::Kind::Host) {
      fixed_.push_back(wanted);
      continue;
    }
    auto name = std::make_unique<Name>();
    name->owner = this;
    name->host = address.value().host();
    name->wanted = wanted;
    name->port = address.value().port();
    const Name* same = before ? before->find(endpoint.address) : nullptr;
    if (same) {
      name->addresses = same->addresses;
      name->complaint = same->complaint;
    }
    names_.push_back(std::move(name));
  }
  const bool known =
      std::ranges::any_of(names_, [](const auto& n) { return !n->addresses.empty(); });
  if (known || !fixed_.empty()) publish();
  if (!names_.empty()) resolve_all();
}

Discovery::~Discovery() = default;

const Discovery::Name* Discovery::find(const std::string& configured) const {
  for (const auto& name : names_) {
    if (name->wanted.configured == configured) return name.get();
  }
  return nullptr;
}

void Discovery::on_timer(net::Timer&) {
  for (auto& name : names_) {
    if (!name->resolution) continue;
    name->on_resolve_failed("no answer in time");
  }
  resolve_all();
}

void Discovery::resolve_all() {
  pending_ = names_.size();
  for (auto& name : names_) {
    name->resolution = std::make_unique<net::Resolution>(loop_, name->host, name->port, *name);
  }
  timer_.arm(saturating_add(loop_.now(), kTimeout));
}

void Discovery::Name::on_resolved(std::vector<net::Address> found) {
  resolution.reset();
  addresses = std::move(found);
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  if (!complaint.empty()) log::info("upstream {}: {} resolves again", owner->upstream_, host);
  complaint.clear();
  owner->state_->resolution_succeeded(std::chrono::duration<double>(since_epoch).count(),
                                      owner->first_complaint());
  owner->answered();
}

void Discovery::Name::on_resolve_failed(std::string reason) {
  resolution.reset();
  const std::string before = std::exchange(complaint, host + ": " + reason);
  owner->state_->resolution_failed(complaint);
  if (complaint != before) {
    log::warn("upstream {}: cannot resolve {}{}", owner->upstream_, complaint,
              addresses.empty() ? "" : "; its last addresses stay in use");
  }
  owner->answered();
}

std::string Discovery::first_complaint() const {
  for (const auto& name : names_) {
    if (!name->complaint.empty()) return name->complaint;
  }
  return {};
}

void Discovery::answered() {
  --pending_;
  publish();
  if (pending_ > 0) return;
  ++rounds_;
  const double jitter = 0.9 + 0.2 * random_.unit();
  const auto wait = static_cast<Duration::rep>(jitter * static_cast<double>(kInterval.count()));
  timer_.arm(saturating_add(loop_.now(), Duration(wait)));
}

void Discovery::publish() {
  std::vector<WantedEndpoint> wanted = fixed_;
  for (const auto& name : names_) {
    for (const net::Address& address : name->addresses) {
      wanted.push_back(name->wanted);
      wanted.back().address = address.to_string();
    }
  }
  state_->set_endpoints(wanted, loop_.now());
}

}  // namespace outrigger::upstream
