#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "config/diagnostic.h"
#include "config/manual.h"
#include "config/quantity.h"
#include "config/schema.h"
#include "proxy/commands/commands.h"
#include "proxy/commands/manual.h"

namespace outrigger::commands {
namespace {

constexpr int kWrongUsage = 2;
constexpr int kLongestDemo = 24 * 60 * 60;

std::vector<std::string> names_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

// The first word, where it is no command: the parser would only ask for one, or show its help.
int refuse(const CLI::App& app, const std::string& word) {
  const auto names = names_of(app);
  const std::vector<std::string_view> known(names.begin(), names.end());
  const std::string near = config::did_you_mean(word, known);
  std::fprintf(stderr, "outrigger: there is no command %s (%s)\n", config::in_quotes(word).c_str(),
               near.empty() ? ("expected " + config::one_of(known)).c_str() : near.c_str());
  return kWrongUsage;
}

// The time that is over before it begins is refused: nothing could be asked in it.
void read_timeout(const std::string& text, std::optional<Duration>& timeout) {
  const auto read = config::parse_duration(text);
  if (read && read.value() > Duration::zero()) {
    timeout = read.value();
    return;
  }
  const std::string hint = read ? "must be more than 0" : read.error();
  throw CLI::ValidationError("--timeout", "expected a duration like 2s or 500ms, not " +
                                              config::in_quotes(text) +
                                              (hint.empty() ? "" : ": " + hint));
}

// A command that asks a running daemon. `default_timeout` is what its help says.
CLI::App* add_admin_command(CLI::App& app, const char* name, const char* description,
                            AdminOptions& options, const std::string& default_timeout) {
  CLI::App* command = app.add_subcommand(name, description);
  auto* address = command->add_option("--admin", options.address,
                                      "the daemon's admin address: 127.0.0.1:9901 (the default), "
                                      "[::1]:9901, unix:/path");
  command
      ->add_option("-c,--config", options.config_file,
                   "take admin.address and admin.token_file from this configuration file")
      ->excludes(address);
  command->add_option("--token-file", options.token_file,
                      "the admin token's file, where the daemon asks for one");
  command->add_option_function<std::string>(
      "--timeout", [&options](const std::string& text) { read_timeout(text, options.timeout); },
      "how long all of it may take, like 500ms or 1m (default " + default_timeout + ")");
  return command;
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
  run_command->add_flag("--watch", watch,
                        "reload when the file has changed, as a ConfigMap's volume does");

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

  AdminOptions admin_options;
  auto* healthcheck_command = add_admin_command(
      app, "healthcheck", "Exit 0 where a daemon is ready, 1 where it is not", admin_options, "2s");
  auto* wait_ready_command =
      add_admin_command(app, "wait-ready", "Wait until a daemon is ready", admin_options, "30s");
  auto* drain_command =
      add_admin_command(app, "drain", "Let a daemon end what it has begun, and go", admin_options,
                        "2s, with --wait 60s");
  drain_command->add_flag("--wait", admin_options.wait, "wait until the daemon has gone");
  auto* quit_command =
      add_admin_command(app, "quit", "Let a daemon go at once", admin_options, "2s");

  auto* schema_command = app.add_subcommand("schema", "Print the JSON Schema of the configuration");
  auto* man_command = app.add_subcommand(
      "man", "Print a manual page for man -l: outrigger(1), or outrigger.yaml(5)");
  bool man_of_config = false;
  man_command->add_flag("--config", man_of_config, "that of the configuration");
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
  if (*run_command) return run(config_file, watch);
  if (*check_command) return check(check_options);
  if (*demo_command) return demo(demo_options);
  if (*simulate_command) return simulate(simulate_options);
  if (*healthcheck_command) return healthcheck(admin_options);
  if (*wait_ready_command) return wait_ready(admin_options);
  if (*drain_command) return drain(admin_options);
  if (*quit_command) return quit(admin_options);
  if (*schema_command) {
    std::puts(config::json_schema().c_str());
    return 0;
  }
  if (*man_command) std::fputs((man_of_config ? config::manual() : manual(app)).c_str(), stdout);
  if (*version_command) std::puts("outrigger " OUTRIGGER_VERSION);
  return 0;
}

}  // namespace outrigger::commands
