#include "proxy/commands/manual.h"

#include <CLI/CLI.hpp>
#include <span>

#include "config/troff.h"

namespace outrigger::commands {
namespace {

using config::troff;
using config::troff_bold;
using config::troff_item;

struct Entry {
  const char* name;
  const char* text;
};

constexpr Entry kSignals[] = {
    {"SIGTERM, SIGINT",
     "Drain, then exit 0: with an inbound listener first not ready for `shutdown.delay`; then "
     "listeners close and requests end, within `shutdown.drain_timeout`. A second one: exit 1 at "
     "once."},
    {"SIGHUP",
     "Reload: the file is checked and swapped in, and state stays; a wrong file changes nothing."},
    {"SIGUSR1", "Open the access log again, for logrotate."},
};

constexpr Entry kEnvironment[] = {
    {"NOTIFY_SOCKET",
     "Where a service manager such as systemd is told that the daemon serves, reloads and stops "
     "(sd_notify(3)). Where it is wrong, the daemon says so and goes on."},
};

constexpr Entry kFiles[] = {
    {"/etc/outrigger/outrigger.yaml", "The configuration of the service, outrigger.yaml(5)."},
};

std::string section(const char* heading, std::span<const Entry> entries) {
  std::string text = std::string(".SH ") + heading + "\n";
  for (const Entry& entry : entries) {
    text += troff_item(troff_bold(entry.name), troff(entry.text));
  }
  return text;
}

bool is_shown(const CLI::App& command) {
  return !command.get_group().empty() && !command.get_name().empty();
}

// "-c, --config FILE (required)".
std::string option_item(const CLI::Option& option) {
  std::string item;
  for (const bool is_long : {false, true}) {
    for (const std::string& name : is_long ? option.get_lnames() : option.get_snames()) {
      item += (item.empty() ? "" : ", ") + troff_bold((is_long ? "--" : "-") + name);
    }
  }
  if (item.empty()) item = troff_bold(option.get_name());
  if (option.get_items_expected_max() > 0) {
    // The type's word; what follows it tells a range.
    const std::string type = option.get_type_name();
    item += " \\fI" + troff(type.substr(0, type.find(':'))) + "\\fR";
  }
  if (option.get_required()) item += " (required)";
  return item;
}

std::string command_section(const CLI::App& command, const std::string& inherited_footer) {
  std::string text = ".SS outrigger " + troff(command.get_name()) + "\n" +
                     troff(command.get_description()) + ".\n";
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_group().empty() || option->get_name() == "--help") continue;
    text += troff_item(option_item(*option), troff(option->get_description()));
  }
  if (command.get_footer() != inherited_footer)
    text += ".PP\n" + troff(command.get_footer()) + "\n";
  return text;
}

}  // namespace

std::string manual(const CLI::App& app) {
  std::string text = config::troff_page("outrigger", 1, "a sidecar resilience proxy");
  text += ".SH SYNOPSIS\n\\fBoutrigger\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]...\n";
  text += ".SH DESCRIPTION\n" +
          troff(
              "A daemon that stands beside a service and takes its HTTP traffic. It keeps failures "
              "of what lies behind from becoming failures of what stands in front: deadlines, "
              "retries within a budget, circuit breakers, bounds, ejection of endpoints that "
              "fail, load balancing. What it is to do stands in one file, outrigger.yaml(5).") +
          "\n.PP\n" + troff("Each command shows its options with `--help`.") + "\n";
  text += ".SH COMMANDS\n";
  for (const CLI::App* command : app.get_subcommands({})) {
    if (is_shown(*command)) text += command_section(*command, app.get_footer());
  }
  text += ".SH EXIT STATUS\n" + troff(app.get_footer()) + "\n";
  text += section("SIGNALS", kSignals) + section("ENVIRONMENT", kEnvironment) +
          section("FILES", kFiles);
  return text + ".SH SEE ALSO\n.BR outrigger.yaml (5)\n";
}

}  // namespace outrigger::commands
