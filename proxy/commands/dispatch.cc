#include <CLI/CLI.hpp>
#include <cstdio>

#include "config/schema.h"
#include "proxy/commands/commands.h"

namespace outrigger::commands {
namespace {

constexpr int kWrongUsage = 2;

}  // namespace

int dispatch(int argc, char** argv) {
  CLI::App app{"outrigger: a sidecar resilience proxy"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "outrigger " OUTRIGGER_VERSION);
  app.footer("Exit status: 0 fine, 1 failed at run time, 2 wrong usage or configuration.");

  std::string config_file;
  auto* run_command = app.add_subcommand("run", "Run the proxy with a configuration file");
  run_command->add_option("-c,--config", config_file, "the configuration file")->required();

  CheckOptions check_options;
  auto* check_command =
      app.add_subcommand("check", "Check a configuration file and say all that is wrong");
  check_command->add_option("-c,--config", check_options.config_file, "the configuration file")
      ->required();
  check_command->add_option("--env-file", check_options.env_file,
                            "NAME=value lines that ${NAME} is taken from, before the environment");
  check_command->add_flag("--strict", check_options.strict, "exit 1 where there are warnings");

  DemoOptions demo_options;
  auto* demo_command = app.add_subcommand(
      "demo", "Run with embedded failing upstreams and built-in traffic, and show what happens");
  demo_command
      ->add_option("--seconds", demo_options.seconds, "stop after so long (default: Ctrl-C)")
      ->check(CLI::NonNegativeNumber);
  demo_command->add_flag("--plain", demo_options.plain, "print lines, also on a terminal");

  SimulateOptions simulate_options;
  auto* simulate_command = app.add_subcommand(
      "simulate", "Say what would happen in an outage: the real policies on virtual time");
  simulate_command
      ->add_option("-c,--config", simulate_options.config_file, "the configuration file")
      ->required();
  simulate_command
      ->add_option("--scenario", simulate_options.scenario_file,
                   "the scenario: callers, how endpoints behave, phases, hops")
      ->required();
  simulate_command->add_option("--seed", simulate_options.seed,
                               "the seed of all chance, instead of the scenario's");
  simulate_command->add_flag("--json", simulate_options.json, "print the report as JSON");
  simulate_command->footer(
      "Nothing is sent anywhere. The same files and seed print the same report. Scenarios to "
      "begin\n"
      "with, and all their keys: config/examples/scenarios.");

  auto* schema_command = app.add_subcommand("schema", "Print the JSON Schema of the configuration");
  auto* version_command = app.add_subcommand("version", "Print the version");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kWrongUsage;
  }
  if (*run_command) return run(config_file);
  if (*check_command) return check(check_options);
  if (*demo_command) return demo(demo_options);
  if (*simulate_command) return simulate(simulate_options);
  if (*schema_command) {
    std::puts(config::json_schema().c_str());
    return 0;
  }
  if (*version_command) std::puts("outrigger " OUTRIGGER_VERSION);
  return 0;
}

}  // namespace outrigger::commands
