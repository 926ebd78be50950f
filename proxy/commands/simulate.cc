#include <cstdio>

#include "config/load.h"
#include "proxy/base/log.h"
#include "proxy/commands/commands.h"
#include "proxy/simulation/simulation.h"

namespace outrigger::commands {
namespace {

constexpr int kFailed = 1;
constexpr int kWrongConfiguration = 2;

int refuse(const std::string& file, const std::vector<config::Diagnostic>& errors) {
  std::fputs(config::to_text(file, errors).c_str(), stderr);
  return kWrongConfiguration;
}

}  // namespace

int simulate(const SimulateOptions& options) {
  const auto environment = config::process_environment();
  auto loaded = config::load_file(options.config_file, environment);
  if (!loaded) return refuse(options.config_file, loaded.error());
  const auto plan = simulation::load_plan(
      options.scenario_file, std::make_shared<const config::Config>(std::move(loaded.value())),
      environment);
  if (!plan) return refuse(options.scenario_file, plan.error());
  log::configure(log::Level::Error, log::Format::Text);  // what happens is in the report
  simulation::Simulation simulation(plan.value(),
                                    options.seed.value_or(plan.value().scenario.seed));
  const auto report = simulation.run();
  const std::string text = options.json ? to_json(report) : to_text(report);
  const bool written = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  if (!written) std::perror("outrigger: the report cannot be written");
  return written ? 0 : kFailed;
}

}  // namespace outrigger::commands
