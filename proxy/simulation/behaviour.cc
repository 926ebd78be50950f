#include "proxy/simulation/behaviour.h"

#include <cmath>

namespace outrigger::simulation {
namespace {

constexpr double kTwoPi = 6.283185307179586;
constexpr double kZ99 = 2.3263478740408408;  // of the standard normal distribution

// Box and Muller's.
double normal(Random& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.unit()));
  return radius * std::cos(kTwoPi * random.unit());
}

Duration times(Duration duration, double factor) {
  return Duration(static_cast<Duration::rep>(static_cast<double>(duration.count()) * factor));
}

}  // namespace

Duration draw(const Latency& latency, Random& random) {
  if (latency.fixed) return *latency.fixed;
  if (latency.mean) return times(*latency.mean, -std::log(1 - random.unit()));
  if (latency.min) return *latency.min + times(*latency.max - *latency.min, random.unit());
  if (!latency.p50) return {};
  const double sigma = std::log(seconds(*latency.p99) / seconds(*latency.p50)) / kZ99;
  return times(*latency.p50, std::exp(sigma * normal(random)));
}

}  // namespace outrigger::simulation
