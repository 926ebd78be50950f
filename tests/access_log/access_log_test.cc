#include "proxy/access_log/access_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "tests/access_log/scripted.h"
#include "tests/net/temporary_directory.h"
#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::access_log {
namespace {

using namespace test;
using config::LogFormat;

std::int64_t wall_clock() {
  return 1'770'000'000'123;
}

struct Counted {
  int begun = 0, ended = 0, mirrored = 0;
};

struct Count final : exchange::Observer {
  explicit Count(Counted& to) : counted(to) {}
  void on_exchange_begun(std::uint32_t, std::uint32_t) override { ++counted.begun; }
  void on_exchange(const ExchangeRecord&) override { ++counted.ended; }
  void on_mirror(const exchange::MirrorRecord&) override { ++counted.mirrored; }
  Counted& counted;
};

class Daemon {
 public:
  std::optional<std::string> configure(std::optional<config::AccessLog> settings) {
    auto opened = log.open(settings);
    if (!opened) return opened.error();
    config = config_with(settings.value_or(config::AccessLog{}));
    config.access_log = settings;
    log.use(settings, std::move(opened.value()));
    return std::nullopt;
  }
  std::unique_ptr<exchange::Observer> observer(std::size_t worker = 0) {
    return log.observer_for(worker, config, std::make_unique<Count>(counted));
  }

  Counted counted;
  config::Config config;
  AccessLog log{1, wall_clock};
};

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

class Files {
 public:
  std::string at(const std::string& name) const { return directory_.path() + "/" + name; }

 private:
  net::TemporaryDirectory directory_;
};

TEST_CASE("a line an exchange, and who counts them hears of all") {
  const Files files;
  Daemon daemon;
  REQUIRE_FALSE(daemon.configure(config::AccessLog{.path = files.at("log")}));
  {
    const auto observer = daemon.observer();
    observer->on_exchange_begun(0, 0);
    for (int i = 0; i < 3; ++i) observer->on_exchange(record());
    observer->on_mirror({});
  }
  daemon.log.stop();
  const auto lines = lines_of(files.at("log"));
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].starts_with(R"({"time":"2026-02-02T02:40:00.)"));
  CHECK(daemon.counted.begun == 1);
  CHECK(daemon.counted.ended == 3);
  CHECK(daemon.counted.mirrored == 1);
  CHECK(daemon.log.dropped() == 0);
}

TEST_CASE("off, an observer stays alone") {
  Daemon daemon;
  REQUIRE_FALSE(daemon.configure(std::nullopt));
  auto count = std::make_unique<Count>(daemon.counted);
  const exchange::Observer* const same = count.get();
  CHECK(daemon.log.observer_for(0, daemon.config, std::move(count)).get() == same);
  CHECK_FALSE(daemon.log.reopen());
}

TEST_CASE("workers' lines are not mixed") {
  const Files files;
  constexpr int kWorkers = 4, kLines = 3000;
  Daemon daemon;
  REQUIRE_FALSE(
      daemon.configure(config::AccessLog{.path = files.at("log"), .format = LogFormat::Text}));
  std::vector<std::thread> workers;
  std::vector<Counted> counted(kWorkers);
  for (int worker = 0; worker < kWorkers; ++worker) {
    workers.emplace_back([observer = daemon.log.observer_for(
                              static_cast<std::size_t>(worker), daemon.config,
                              std::make_unique<Count>(counted[static_cast<std::size_t>(worker)]))] {
      for (int i = 0; i < kLines; ++i) observer->on_exchange(record());
    });
  }
  for (auto& worker : workers) worker.join();
  workers.clear();
  daemon.log.stop();
  const auto lines = lines_of(files.at("log"));
  CHECK(lines.size() + daemon.log.dropped() == kWorkers * kLines);
  CHECK(std::ranges::all_of(lines, [](const std::string& line) {
    return line.starts_with("time=") && line.ends_with("caller=\"10.1.2.3\"");
  }));
}

TEST_CASE("a reload keeps the file of the same path, and changes the format") {
  const Files files;
  Daemon daemon;
  REQUIRE_FALSE(daemon.configure(config::AccessLog{.path = files.at("log")}));
  daemon.observer()->on_exchange(record());
  REQUIRE_FALSE(
      daemon.configure(config::AccessLog{.path = files.at("log"), .format = LogFormat::Text}));
  daemon.observer()->on_exchange(record());
  daemon.log.stop();
  const auto lines = lines_of(files.at("log"));
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].starts_with("{"));
  CHECK(lines[1].starts_with("time="));
}

TEST_CASE("exchanges that began before a reload write to the file they began with") {
  const Files files;
  Daemon daemon;
  REQUIRE_FALSE(daemon.configure(config::AccessLog{.path = files.at("old")}));
  auto before = daemon.observer();
  REQUIRE_FALSE(daemon.configure(config::AccessLog{.path = files.at("new")}));
  before->on_exchange(record());
  daemon.observer()->on_exchange(record());
  REQUIRE_FALSE(daemon.configure(std::nullopt));
  before->on_exchange(record());
  before.reset();
  daemon.log.stop();
  CHECK(lines_of(files.at("old")).size() == 2);
  CHECK(lines_of(files.at("new")).size() == 1);
}

TEST_CASE("a file that was moved away is opened again by its name, and no line is lost") {
  const Files files;
  Daemon daemon;
  REQUIRE_FALSE(daemon.configure(config::AccessLog{.path = files.at("log")}));
  auto observer = daemon.observer();
  observer->on_exchange(record());
  std::filesystem::rename(files.at("log"), files.at("log.1"));
  CHECK_FALSE(daemon.log.reopen());
  observer->on_exchange(record());
  observer.reset();
  daemon.log.stop();
  CHECK(std::filesystem::exists(files.at("log")));
  CHECK(lines_of(files.at("log")).size() + lines_of(files.at("log.1")).size() == 2);
}

TEST_CASE("what cannot be opened leaves all as it was") {
  const Files files;
  Daemon daemon;
  std::filesystem::create_directory(files.at("d"));
  REQUIRE_FALSE(daemon.configure(config::AccessLog{.path = files.at("d/log")}));
  auto observer = daemon.observer();
  CHECK(daemon.configure(config::AccessLog{.path = files.at("none/log")}));
  std::filesystem::rename(files.at("d"), files.at("moved"));
  const auto error = daemon.log.reopen();
  REQUIRE(error);
  CHECK(error->find("No such file or directory") != std::string::npos);
  observer->on_exchange(record());
  observer.reset();
  daemon.log.stop();
  CHECK(lines_of(files.at("moved/log")).size() == 1);
}

TEST_CASE("lines that a full device does not take are lost and counted") {
  Daemon daemon;
  REQUIRE_FALSE(daemon.configure(config::AccessLog{.path = "/dev/full"}));
  auto observer = daemon.observer();
  for (int i = 0; i < 100; ++i) observer->on_exchange(record());
  observer.reset();
  daemon.log.stop();
  CHECK(daemon.log.dropped() == 100);
}

TEST_CASE("nobody reads: the worker goes on, and all is counted that nobody will read") {
  const Files files;
  const std::string path = files.at("fifo");
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  Daemon daemon;
  REQUIRE_FALSE(daemon.configure(config::AccessLog{.path = path}));
  constexpr int kLines = 10'000;
  auto observer = daemon.observer();
  for (int i = 0; i < kLines; ++i) observer->on_exchange(record());
  observer.reset();
  daemon.log.stop();
  std::string seen;
  char bytes[4096];
  for (ssize_t got; (got = read(reader, bytes, sizeof(bytes))) > 0;) {
    seen.append(bytes, static_cast<std::size_t>(got));
  }
  close(reader);
  const auto whole = static_cast<std::uint64_t>(std::ranges::count(seen, '\n'));
  CHECK(whole > 0);
  CHECK(whole + daemon.log.dropped() == kLines);
}

TEST_CASE("a line that a pipe takes in pieces is whole without another that follows it") {
  const Files files;
  const std::string path = files.at("fifo");
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(fcntl(reader, F_SETPIPE_SZ, 4096) == 4096);
  Daemon daemon;
  REQUIRE_FALSE(daemon.configure(config::AccessLog{.path = path}));
  const std::string hostile(2000, '\x01');
  auto large = record();
  large.path = hostile;
  auto observer = daemon.observer();
  observer->on_exchange(large);
  std::string seen;
  pollfd asked{.fd = reader, .events = POLLIN, .revents = 0};
  while (!seen.ends_with('\n') && poll(&asked, 1, 10'000) == 1) {
    char bytes[4096];
    const ssize_t got = read(reader, bytes, sizeof(bytes));
    seen.append(bytes, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  }
  close(reader);
  CHECK(seen.size() > 12'000);
  CHECK(seen.ends_with("\"tries\":[]}\n"));
}

TEST_CASE("an observer allocates nothing when it is warm") {
  const Files files;
  Daemon daemon;
  REQUIRE_FALSE(daemon.configure(config::AccessLog{.path = files.at("log")}));
  auto observer = daemon.observer();
  observer->on_exchange(record());
  const auto before = outrigger::test::allocations();
  for (int i = 0; i < 1000; ++i) observer->on_exchange(record());
  CHECK(outrigger::test::allocations() == before);
}

}  // namespace
}  // namespace outrigger::access_log
