// Numbers that every sidecar has for itself, and that add up.
#include <cmath>

#include "config/quantity.h"
#include "proxy/lint/rules.h"

namespace outrigger::lint {
namespace {

using namespace std::chrono_literals;
using config::decimal_text;

constexpr Duration kShortestInterval = 1s;
constexpr double kMostChecksPerSecond = 100;  // by one sidecar
constexpr std::uint64_t kSidecarsForExample = 10;

double per_second(double count, Duration time) {
  return std::round(count * 1e10 / static_cast<double>(time.count())) / 10;
}

}  // namespace

void rate_limit_per_sidecar(const RouteAt& at, const Subject&, Findings& out) {
  const auto& limit = at.route.rate_limit;
  if (!limit) return;
  if (at.listener.direction == config::Direction::Inbound && !limit->key) return;
  const std::string per = " per " + time_text(limit->per);
  out.add(at.path + ".rate_limit",
          std::to_string(limit->requests) + per + (limit->key ? " for each key" : "") +
              " are counted in this sidecar alone: " + std::to_string(kSidecarsForExample) +
              " sidecars let " + std::to_string(kSidecarsForExample * limit->requests) + per +
              " through");
}

void health_check_load(const UpstreamAt& at, const Subject& subject, Findings& out) {
  const auto& check = at.upstream.health_check;
  if (!check) return;
  const std::string path = at.path + ".health_check";
  if (check->timeout >= check->interval) {
    out.add(subject.written(path + ".timeout", path),
            "a check may take " + time_text(check->timeout) + ", but the next one is due after " +
                time_text(check->interval) + ": on a slow endpoint there is always one waiting",
            "lower timeout below interval, or raise interval");
  }
  const std::size_t count = at.upstream.endpoints.size();
  const double checks = per_second(static_cast<double>(count), check->interval);
  if (check->interval >= kShortestInterval && checks <= kMostChecksPerSecond) return;
  out.add(subject.written(path + ".interval", path),
          counted(count, "endpoint") + " every " + time_text(check->interval) + " make " +
              decimal_text(checks) + " checks a second by each sidecar; 100 sidecars ask each " +
              "endpoint " + decimal_text(per_second(100, check->interval)) + " times a second",
          "raise interval; outlier_detection sees a failing endpoint sooner, from traffic");
}

}  // namespace outrigger::lint
