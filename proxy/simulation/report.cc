#include "proxy/simulation/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace outrigger::simulation {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShownHappenings = 24;

double ratio(std::uint64_t a, std::uint64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

double percent(std::uint64_t a, std::uint64_t b) {
  return 100 * ratio(a, b);
}

double milliseconds(Duration duration) {
  return seconds(duration) * 1000;
}

// Three digits that mean something.
std::string ms(Duration duration) {
  const double value = milliseconds(duration);
  return value < 10    ? fmt::format("{:.2f} ms", value)
         : value < 100 ? fmt::format("{:.1f} ms", value)
                       : fmt::format("{:.0f} ms", value);
}

std::string listed(const Counts& counts) {
  std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.begin(), counts.end());
  std::ranges::stable_sort(sorted, std::greater{}, [](const auto& each) { return each.second; });
  std::string text;
  for (const auto& [label, count] : sorted) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", label, count);
  }
  return text;
}

std::uint64_t sum(const Counts& counts) {
  std::uint64_t total = 0;
  for (const auto& [label, count] : counts) total += count;
  return total;
}

std::string summed(const Counts& counts) {
  return counts.empty() ? "0" : fmt::format("{} ({})", sum(counts), listed(counts));
}

// The table.

std::string table(const Report& report) {
  std::size_t width = 5;
  for (const auto& phase : report.phases) width = std::max(width, phase.name.size());
  std::string text =
      fmt::format("{:<{}}  {:>12}  {:>8}  {:>8}  {:>9}  {:>9}  {:>9}  {:>13}\n", "phase", width,
                  "seconds", "requests", "failed", "p50", "p95", "p99", "amplification");
  for (const auto& phase : report.phases) {
    text +=
        fmt::format("{:<{}}  {:>5g} … {:<4g}  {:>8}  {:>7.2f}%  {:>9}  {:>9}  {:>9}  {:>12.2f}x\n",
                    phase.name, width, seconds(phase.begins), seconds(phase.begins + phase.lasts),
                    phase.requests, percent(phase.failed, phase.requests), ms(phase.p50),
                    ms(phase.p95), ms(phase.p99), phase.amplification());
  }
  return text;
}

// One phase.

std::string hop_name(const PhaseReport& phase, std::size_t hop) {
  return phase.hops.size() == 1 ? "" : fmt::format("hop {}: ", hop);
}

std::string tries(const PhaseReport& phase) {
  std::string text;
  for (std::size_t i = 0; i < phase.hops.size(); ++i) {
    const TryCounts& hop = phase.hops[i];
    text += fmt::format("  tries      {}{} first, {} retries, {} hedges: {:.2f} a request\n",
                        hop_name(phase, i), hop.firsts, hop.retries, hop.hedges,
                        phase.tries_per_request(i));
    if (hop.retries + sum(hop.denied) == 0) continue;
    text += fmt::format("  retries    {}granted {}; denied {}\n", hop_name(phase, i),
                        summed(hop.retried), summed(hop.denied));
  }
  return text;
}

std::string loads(const PhaseReport& phase) {
  std::string text;
  for (const EndpointLoad& endpoint : phase.endpoints) {
    std::uint64_t all = 0;
    for (const EndpointLoad& each : phase.endpoints) {
      const bool beside = each.hop == endpoint.hop && each.upstream == endpoint.upstream;
      if (beside) all += each.requests;
    }
    text += fmt::format("  load       {}{} {}  {} requests, {:.1f} %, at most {} at once",
                        hop_name(phase, endpoint.hop), endpoint.upstream, endpoint.address,
                        endpoint.requests, percent(endpoint.requests, all), endpoint.at_once);
    if (endpoint.wasted > 0) text += fmt::format(", {} answers for nobody", endpoint.wasted);
    text += "\n";
  }
  return text;
}

std::string happenings(const PhaseReport& phase) {
  std::string text;
  const auto& all = phase.happenings;
  for (std::size_t i = 0; i < std::min(all.size(), kShownHappenings); ++i) {
    text += fmt::format("  {:>7.2f} s  {} {}\n", seconds(all[i].at), all[i].where, all[i].what);
  }
  if (all.size() > kShownHappenings) {
    text += fmt::format("             … and {} more (--json has them all)\n",
                        all.size() - kShownHappenings);
  }
  return text;
}

std::string details(const PhaseReport& phase) {
  std::string text = fmt::format("\n{} ({:g} s to {:g} s)\n", phase.name, seconds(phase.begins),
                                 seconds(phase.begins + phase.lasts));
  text += fmt::format("  callers    {} requests, {} failed ({:.2f} %): {}\n", phase.requests,
                      phase.failed, percent(phase.failed, phase.requests), listed(phase.answers));
  text += fmt::format("  latency    p50 {}, p95 {}, p99 {}, longest {}\n", ms(phase.p50),
                      ms(phase.p95), ms(phase.p99), ms(phase.longest));
  return text + tries(phase) + loads(phase) + happenings(phase);
}

// JSON.

double rounded(double value) {
  return static_cast<double>(static_cast<std::int64_t>(value * 1000 + 0.5)) / 1000;
}

Json json_of(const PhaseReport& phase) {
  Json json = {{"name", phase.name},
               {"begins_seconds", seconds(phase.begins)},
               {"lasts_seconds", seconds(phase.lasts)},
               {"requests", phase.requests},
               {"failed", phase.failed},
               {"answers", phase.answers},
               {"latency_ms",
                {{"p50", rounded(milliseconds(phase.p50))},
                 {"p95", rounded(milliseconds(phase.p95))},
                 {"p99", rounded(milliseconds(phase.p99))},
                 {"longest", rounded(milliseconds(phase.longest))}}},
               {"amplification", rounded(phase.amplification())}};
  json["hops"] = Json::array();
  for (std::size_t i = 0; i < phase.hops.size(); ++i) {
    const TryCounts& hop = phase.hops[i];
    json["hops"].push_back({{"first_tries", hop.firsts},
                            {"retries", hop.retries},
                            {"hedges", hop.hedges},
                            {"tries_per_request", rounded(phase.tries_per_request(i))},
                            {"retries_by_reason", hop.retried},
                            {"retries_denied_by_cause", hop.denied}});
  }
  json["endpoints"] = Json::array();
  for (const EndpointLoad& endpoint : phase.endpoints) {
    json["endpoints"].push_back({{"hop", endpoint.hop},
                                 {"upstream", endpoint.upstream},
                                 {"address", endpoint.address},
                                 {"requests", endpoint.requests},
                                 {"answers_for_nobody", endpoint.wasted},
                                 {"at_once", endpoint.at_once}});
  }
  json["events"] = Json::array();
  for (const Happening& each : phase.happenings) {
    json["events"].push_back(
        {{"at_seconds", rounded(seconds(each.at))}, {"where", each.where}, {"what", each.what}});
  }
  return json;
}

}  // namespace

double PhaseReport::tries_per_request(std::size_t hop) const {
  return ratio(hops[hop].all(), hops[hop].firsts);
}

double PhaseReport::amplification() const {
  return hops.size() == 1 ? tries_per_request(0) : ratio(hops.back().all(), requests);
}

std::string to_text(const Report& report) {
  std::string configs;
  for (const std::string& config : report.configs) {
    configs += (configs.empty() ? "" : " -> ") + config;
  }
  std::string text = fmt::format("{} with {}, seed {}\n\n", report.scenario, configs, report.seed);
  text += table(report);
  for (const PhaseReport& phase : report.phases) text += details(phase);
  return text;
}

std::string to_json(const Report& report) {
  Json json = {{"scenario", report.scenario},
               {"configurations", report.configs},
               {"seed", report.seed},
               {"phases", Json::array()}};
  for (const PhaseReport& phase : report.phases) json["phases"].push_back(json_of(phase));
  return json.dump(2) + "\n";
}

}  // namespace outrigger::simulation
