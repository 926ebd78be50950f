// What came of a simulation, phase by phase; as a text for people and as JSON.
//
// An exchange and its tries belong to the phase in which it began; what an endpoint took, and what
// happened to it, to the one in which it did.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "proxy/base/time.h"

namespace outrigger::simulation {

using Counts = std::map<std::string, std::uint64_t>;

// The tries of all outriggers of one hop.
struct TryCounts {
  std::uint64_t firsts = 0;
  std::uint64_t retries = 0;
  std::uint64_t hedges = 0;
  Counts retried;  // by reason
  Counts denied;   // retries that were not, by cause

  std::uint64_t all() const { return firsts + retries + hedges; }
};

struct EndpointLoad {
  std::size_t hop = 0;
  std::string upstream;
  std::string address;
  std::uint64_t requests = 0;
  std::uint64_t wasted = 0;   // answered, and nobody waited any more
  std::uint32_t at_once = 0;  // the most
};

struct Happening {
  Duration at{};
  std::string where;  // "upstream app 10.0.0.1:8080"
  std::string what;   // "ejected (consecutive-gateway-errors)"
};

struct PhaseReport {
  std::string name;
  Duration begins{};
  Duration lasts{};
  std::uint64_t requests = 0;
  std::uint64_t failed = 0;  // 5xx, 429, left or broken off
  Counts answers;            // by status and, of our own answers, reason
  Duration p50{}, p95{}, p99{}, longest{};
  std::vector<TryCounts> hops;
  std::vector<EndpointLoad> endpoints;
  std::vector<Happening> happenings;

  double tries_per_request(std::size_t hop) const;
  // Tries at the last hop for each request of a caller.
  double amplification() const;
};

struct Report {
  std::string scenario;
  std::vector<std::string> configs;
  std::uint64_t seed = 0;
  std::vector<PhaseReport> phases;
};

std::string to_text(const Report& report);
std::string to_json(const Report& report);

}  // namespace outrigger::simulation
