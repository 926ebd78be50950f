#include "proxy/upstream/health_checker.h"

#include <algorithm>

#include "proxy/base/check.h"

namespace outrigger::upstream {
namespace {

net::Address parsed(const std::string& text) {
  const auto address = net::Address::parse(text);
  INVARIANT(address);  // endpoints are addresses, and what was configured has been validated
  return address.value();
}

}  // namespace

HealthChecker::HealthChecker(net::Loop& loop, std::shared_ptr<ClusterState> state,
                             const config::Upstream& settings, std::uint64_t seed,
                             std::function<void()> changed)
    : loop_(loop),
      state_(std::move(state)),
      upstream_(settings.name),
      settings_(*settings.health_check),
      random_(seed),
      changed_(std::move(changed)),
      timer_(loop, *this) {
  state_->on_endpoints_changed([this] { follow_endpoints(); });
  follow_endpoints();
}

HealthChecker::~HealthChecker() {
  state_->on_endpoints_changed({});
}

void HealthChecker::configure(const config::Upstream& settings) {
  settings_ = *settings.health_check;
  under_way_ = 0;
  for (const auto& checked : checked_) begin_anew(*checked);
  begin_what_is_due();
}

// What is asked, and how often, may be another; what was found stays.
void HealthChecker::begin_anew(Checked& checked) {
  checked.probe.reset();
  checked.check.configure(settings_, loop_.now(), random_);
  address_anew(checked);
}

void HealthChecker::follow_endpoints() {
  const auto endpoints = state_->endpoints();
  std::vector<std::unique_ptr<Checked>> following;
  for (const auto& endpoint : endpoints) {
    const auto known = std::ranges::find_if(checked_, [&](const auto& checked) {
      return checked && checked->endpoint.endpoint->id == endpoint.endpoint->id;
    });
    if (known != checked_.end()) {
      Checked& checked = **known;
      following.push_back(std::move(*known));
      if (checked.endpoint.configured == endpoint.configured) continue;
      checked.endpoint = endpoint;
      begin_anew(checked);
      continue;
    }
    const net::Address address = parsed(endpoint.endpoint->address);
    policy::HealthCheck check(settings_, endpoint.healthy, loop_.now(), random_);
    auto& made = following.emplace_back(
        std::make_unique<Checked>(Checked{endpoint, address, "", std::move(check)}));
    address_anew(*made);
  }
  checked_ = std::move(following);
  under_way_ = static_cast<std::size_t>(
      std::ranges::count_if(checked_, [](const auto& checked) { return !!checked->probe; }));
  begin_what_is_due();
}

void HealthChecker::address_anew(Checked& checked) const {
  const Endpoint& endpoint = *checked.endpoint.endpoint;
  const auto at_port = [this](const net::Address& address) {
    const bool has_port = address.kind() != net::Address::Kind::Unix;
    return settings_.port && has_port ? address.with_port(*settings_.port) : address;
  };
  checked.address = at_port(parsed(endpoint.address));
  checked.request = settings_.http ? health_request(*settings_.http,
                                                    at_port(parsed(*checked.endpoint.configured)))
                                   : std::string();
}

void HealthChecker::on_timer(net::Timer&) {
  begin_what_is_due();
}

// What has been due longest first, so that a set too large for its interval is asked in turn. What
// has no place waits for the end of another's check.
void HealthChecker::begin_what_is_due() {
  timer_.disarm();
  while (under_way_ < kMaxChecksAtOnce && !checked_.empty()) {
    const auto due = [](const auto& checked) { return checked->check.due(); };
    const auto next = std::ranges::min_element(checked_, {}, due);
    if (due(*next) > loop_.now()) return timer_.arm(due(*next));
    begin(**next);
  }
}

void HealthChecker::begin(Checked& checked) {
  if (!checked.check.begin(has_traffic(), loop_.now(), random_)) return;
  ++under_way_;
  HealthProbeEvents& events = *this;
  checked.probe =
      std::make_unique<HealthProbe>(loop_, checked.address, settings_, checked.request, events);
}

// An upstream that was sent something is asked often for a while: who stops asking it now may well
// do so because it fails.
bool HealthChecker::has_traffic() {
  const auto tries = state_->tries_begun.load(std::memory_order_relaxed);
  if (tries != tries_seen_) {
    tries_seen_ = tries;
    quiet_from_ = saturating_add(loop_.now(), settings_.no_traffic_interval);
  }
  return loop_.now() < quiet_from_;
}

void HealthChecker::on_checked(HealthProbe& probe, const policy::CheckEnd& end) {
  const auto found = std::ranges::find_if(
      checked_, [&](const auto& checked) { return checked->probe.get() == &probe; });
  INVARIANT(found != checked_.end());
  Checked& checked = **found;
  checked.probe.reset();
  --under_way_;
  if (end.outcome == policy::CheckOutcome::OutOfResources) {
    checked.check.put_off(loop_.now(), random_);
    if (complaints_.due(loop_.now())) {
      log::error(
          "upstream {}: no descriptor or memory to check endpoints with: what was known of "
          "their health stands",
          upstream_);
    }
    return begin_what_is_due();
  }
  const bool changed = checked.check.record(end, loop_.now(), random_);
  state_->set_health(checked.endpoint, checked.check.health());
  if (changed) {
    report_health(checked);
    changed_();
  }
  begin_what_is_due();
}

void HealthChecker::report_health(const Checked& checked) const {
  const auto& health = checked.check.health();
  const std::string& address = checked.endpoint.endpoint->address;
  const std::string why = policy::reason(*health.last);
  const char* checks = health.consecutive == 1 ? "check" : "checks";
  if (health.healthy) {
    log::info("upstream {}: endpoint {} is healthy: {} good {} in a row, the last: {}", upstream_,
              address, health.consecutive, checks, why);
  } else {
    log::warn("upstream {}: endpoint {} is unhealthy: {} failed {} in a row, the last: {}",
              upstream_, address, health.consecutive, checks, why);
  }
}

}  // namespace outrigger::upstream
