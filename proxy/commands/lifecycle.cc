// healthcheck, wait-ready, drain and quit: what images without curl and hooks of an orchestrator
// need.
//
// That a daemon has gone is seen by nobody listening at its admin address: that socket outlives
// its last request, and a process of another container has no id here.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "config/diagnostic.h"
#include "config/load.h"
#include "config/quantity.h"
#include "proxy/admin/token.h"
#include "proxy/commands/admin_client.h"
#include "proxy/commands/commands.h"

namespace outrigger::commands {
namespace {

using namespace std::chrono_literals;

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;
constexpr int kReady = 200;
constexpr int kAccepted = 202;
constexpr int kNotReady = 503;

constexpr Duration kAskLimit = 2s;  // of one request: a daemon that hangs is asked again
constexpr Duration kPause = 50ms;   // between two

using Answer = Result<AdminAnswer, NoAnswer>;

void say(const std::string& what) {
  std::fprintf(stderr, "outrigger: %s\n", what.c_str());
}

std::optional<config::Admin> read_admin(const AdminOptions& options) {
  if (!options.config_file) return config::Admin{.address = options.address};
  auto loaded = config::load_file(*options.config_file, config::process_environment());
  if (!loaded) {
    std::fputs(config::to_text(*options.config_file, loaded.error()).c_str(), stderr);
    return std::nullopt;
  }
  if (!loaded.value().admin) say(*options.config_file + ": admin is off");
  return std::move(loaded.value().admin);
}

// Null where it has said what is wrong.
std::unique_ptr<AdminClient> make_client(const AdminOptions& options) {
  auto admin = read_admin(options);
  if (!admin) return nullptr;
  const auto address = AdminClient::parse_address(admin->address);
  if (!address) {
    say("admin address: " + address.error());
    return nullptr;
  }
  if (options.token_file) admin->token_file = options.token_file;
  std::optional<std::string> token;
  if (admin->token_file) token = admin::read_token(*admin->token_file);
  if (admin->token_file && !token) {
    say(*admin->token_file + ": no token can be read from it");
    return nullptr;
  }
  return std::make_unique<AdminClient>(address.value(), token);
}

bool is(const Answer& answer, int status) {
  return answer && answer.value().status == status;
}

std::string words_of(const AdminClient& client, const Answer& answer) {
  if (!answer) return client.address() + ": " + answer.error().why;
  return client.address() + " answers " + std::to_string(answer.value().status) + " " +
         config::in_quotes(answer.value().text);
}

int fail(const std::string& why) {
  say(why);
  return kFailed;
}

// One question, and the status that is the answer hoped for.
int ask_once(AdminClient& client, const char* method, const char* path, int hoped_for,
             TimePoint until) {
  const auto answer = client.ask(method, path, until);
  if (!is(answer, hoped_for)) return fail(words_of(client, answer));
  std::puts(answer.value().text.c_str());
  return 0;
}

TimePoint end_of(const AdminOptions& options, AdminClient& client, Duration by_default) {
  return saturating_add(client.now(), options.timeout.value_or(by_default));
}

Answer ask_ready(AdminClient& client, TimePoint until) {
  return client.ask("GET", "/readyz", std::min(until, client.now() + kAskLimit));
}

}  // namespace

int healthcheck(const AdminOptions& options) {
  const auto client = make_client(options);
  if (!client) return kWrongUsage;
  return ask_once(*client, "GET", "/readyz", kReady, end_of(options, *client, 2s));
}

int quit(const AdminOptions& options) {
  const auto client = make_client(options);
  if (!client) return kWrongUsage;
  return ask_once(*client, "POST", "/quit", kAccepted, end_of(options, *client, 2s));
}

int wait_ready(const AdminOptions& options) {
  const auto client = make_client(options);
  if (!client) return kWrongUsage;
  const TimePoint until = end_of(options, *client, 30s);
  while (true) {
    const auto answer = ask_ready(*client, until);
    if (is(answer, kReady)) {
      std::puts("ready");
      return 0;
    }
    const std::string words = words_of(*client, answer);
    // Asking again would not help: it is not a daemon, or not one that answers to this Host.
    if (answer && !is(answer, kNotReady)) return fail(words);
    if (client->now() + kPause >= until) return fail("not ready in time: " + words);
    client->pause(kPause);
  }
}

int drain(const AdminOptions& options) {
  const auto client = make_client(options);
  if (!client) return kWrongUsage;
  const TimePoint until = end_of(options, *client, options.wait ? 60s : 2s);
  const int asked = ask_once(*client, "POST", "/drain", kAccepted, until);
  if (asked != 0 || !options.wait) return asked;
  std::fflush(stdout);
  while (true) {
    const auto answer = ask_ready(*client, until);
    if (!answer && answer.error().nobody_there) return 0;
    const std::string words = words_of(*client, answer);
    if (is(answer, kReady)) {
      return fail(words + ": the drain was taken back, or another daemon has taken the place");
    }
    if (client->now() + kPause >= until) return fail("not gone in time: " + words);
    client->pause(kPause);
  }
}

}  // namespace outrigger::commands
