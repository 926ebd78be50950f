#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>

#include "config/diagnostic.h"
#include "config/schema.h"
#include "proxy/commands/commands.h"

namespace outrigger::commands {
namespace {

constexpr int kWrongUsage = 2;
constexpr int kLongestDemo = 24 * 60 * 60;

int not_supported(const char* what) {
  std::fprintf(stderr, "outrigger: %s is not supported by this version\n", what);
  return kWrongUsage;
}

std::vector<std::string> names_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

// The first word, where it is no command: the parser would only ask for one, or show its help.
int refuse(const CLI::App& app, const std::string& word) {
  static constexpr std::array<std::string_view, 4> kLater = {"healthcheck", "drain", "quit",
                                                             "wait-ready"};
  if (std::ranges::find(kLater, word) != kLater.end()) return not_supported(word.c_str());
  const auto names = names_of(app);
  const std::vector<std::string_view> known(names.begin(), names.end());
  const std::string near = config::did_you_mean(word, known);
  std::fprintf(stderr, "outrigger: there is no command %s (%s)\n", config::in_quotes(word).c_str(),
               near.empty() ? ("expected " + config::one_of(known)).c_str() : near.c_str());
  return kWrongUsage;
}

}  // namespace

int dispatch(int argc, char** argv) {
  CLI::App app{"outrigger: a sidecar resilience proxy"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "outrigger " OUTRIGGER_VERSION);
  app.footer("Exit status: 0 fine, 1 failed at run time, 2 wrong usage or configuration.");

  std::string config_file;
  auto* run_command = app.add_subcommand("run", "Run the proxy with a configuration file");
  run_command->add_option("-c,--config", config_file, "the configuration file")->required();
  bool watch = false;
  run_command->add_flag("--watch", watch)->group("");  // a later version's; not in the help

  CheckOptions check_options;
  auto* check_command =
      app.add_subcommand("check", "Check a configuration file and say all that is wrong");
  check_command->add_option("-c,--config", check_options.config_file, "the configuration file")
      ->required();
  check_command->add_option(
      "--env-file", check_options.env_file,
      "NAME=value lines that ${NAME} is taken from, before the environment; an "
      "export before the name is passed over, quotes are part of the value");
  check_command->add_flag("--strict", check_options.strict, "exit 1 where there are warnings");

  DemoOptions demo_options;
  auto* demo_command = app.add_subcommand(
      "demo", "Run with embedded failing upstreams and built-in traffic, and show what happens");
  demo_command
      ->add_option("--seconds", demo_options.seconds, "stop after so long (default: Ctrl-C)")
      ->check(CLI::Range(0, kLongestDemo));
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
  simulate_command
      ->add_option("--seed", simulate_options.seed,
                   "the seed of all chance, instead of the scenario's")
      ->check(CLI::Range(std::uint32_t{0}, UINT32_MAX));
  simulate_command->add_flag("--json", simulate_options.json, "print the report as JSON");
  simulate_command->footer(
      "Nothing is sent anywhere. The same files and seed print the same report. Scenarios to "
      "begin\n"
      "with, and all their keys: config/examples/scenarios.");

  auto* schema_command = app.add_subcommand("schema", "Print the JSON Schema of the configuration");
  auto* version_command = app.add_subcommand("version", "Print the version");

  const std::string first = argc > 1 ? argv[1] : "-";
  if (!first.starts_with('-') && !std::ranges::count(names_of(app), first)) {
    return refuse(app, first);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kWrongUsage;
  }
  if (watch) return not_supported("run --watch");
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
