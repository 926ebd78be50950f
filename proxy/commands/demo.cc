// `outrigger demo`: upstreams that fail, callers that do not notice, and a view of both, in one
// process.
//
// The real daemon runs on a generated configuration on the caller's thread; upstreams, callers
// and the view share one loop on a second thread (the playground).
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <list>
#include <sstream>
#include <thread>

#include "proxy/base/log.h"
#include "proxy/commands/commands.h"
#include "proxy/commands/demo_traffic.h"
#include "proxy/commands/demo_upstreams.h"
#include "proxy/daemon.h"

namespace outrigger::commands {
namespace {

using namespace std::chrono_literals;

constexpr Duration kScreenEvery = 500ms;
constexpr Duration kLineEvery = 1s;
constexpr Duration kPause = 70ms;  // of a caller; three of them a path
constexpr int kCallersAPath = 3;

constexpr std::string_view kConfig = R"(# Made by `outrigger demo`; yours to copy.
log: {{level: error}}                  # the view needs the terminal
admin: {{address: "{admin}"}}
shutdown: {{outbound: immediate}}
check: {{ignore: [retries-without-budget]}}   # so large that every retry can be watched
listeners:
  - name: demo
    address: "{listener}"
    routes:
      - name: flaky                   # two of three endpoints fail and have outages
        match: {{path_prefix: /flaky}}
        upstream: flaky
        retry: {{}}
      - name: slow                    # every fourth answer takes far too long
        match: {{path_prefix: /slow}}
        upstream: slow
        timeouts: {{request: 5s, per_try: 300ms}}
        retry: {{max_retries: 4, retry_on: [default, per-try-timeout]}}
upstreams:
  flaky:
    endpoints: ["{flaky1}", "{flaky2}", "{healthy}"]
    load_balancer: {{policy: round_robin}}
    outlier_detection: {{base_ejection_time: 3s}}
    circuit_breaker: {{}}
    retry_budget: {{percent: 100, min_per_second: 20}}
  slow:
    endpoints: ["{slow}"]
    circuit_breaker: {{}}
    retry_budget: {{percent: 100, min_per_second: 20}}
)";

// A port of the loopback that is free now; the wished one if it is.
std::string free_address(std::uint16_t wished) {
  for (const std::uint16_t port : {wished, std::uint16_t{0}}) {
    const auto address = net::Address::parse("127.0.0.1:" + std::to_string(port)).value();
    if (auto bound = net::BoundSocket::bind(address)) return bound.value().address().to_string();
  }
  return "127.0.0.1:0";
}

// The generated file, in a directory of its own that goes with it.
class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text) {
    const char* base = std::getenv("TMPDIR");
    directory_ = std::string(base && *base ? base : "/tmp") + "/outrigger-demo-XXXXXX";
    if (!mkdtemp(directory_.data())) return;
    path_ = directory_ + "/outrigger.yaml";
    std::ofstream(path_) << text;
  }
  ~ConfigFile() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(directory_, ignored);
  }
  ConfigFile(const ConfigFile&) = delete;
  ConfigFile& operator=(const ConfigFile&) = delete;

  const std::string& path() const { return path_; }  // empty: it could not be written

 private:
  std::string directory_;
  std::string path_;
};

// The view.

class View {
 public:
  View(const Daemon& daemon, const std::list<Seen>& seen, bool plain, std::string hints)
      : daemon_(daemon), seen_(seen), plain_(plain), hints_(std::move(hints)) {}

  void draw() {
    const auto live = daemon_.live();
    if (plain_) return print_line(live);
    std::string screen = "\x1b[H\x1b[2J\x1b[1moutrigger demo\x1b[0m — " + hints_ + "\n\n";
    const Sums sums = add_up(live);
    screen += "  callers of     answered   failed\n";
    for (const Seen& each : seen_) {
      screen +=
          fmt::format("  {:<12} {:>10} {:>8}\n", each.path, each.good.load(), each.failed.load());
    }
    screen +=
        fmt::format("\n  retries made for them {}, ejections {}\n", sums.retries, sums.ejections);
    screen += "\n  upstream  endpoint               state       tries  failures  latency\n";
    for (const auto& upstream : live.upstreams) screen += rows_of(upstream);
    std::fputs(screen.c_str(), stdout);
    std::fflush(stdout);
  }

  // In plain words, at the end.
  void sum_up() const {
    const Sums sums = add_up(daemon_.live());
    std::printf("%s%llu requests were made by callers; upstreams failed %llu of %llu tries.\n",
                plain_ ? "" : "\n", count(sums.good + sums.failed), count(sums.bad_tries),
                count(sums.tries));
    std::printf("%llu %s and %llu %s kept that from them.\n", count(sums.retries),
                sums.retries == 1 ? "retry" : "retries", count(sums.ejections),
                sums.ejections == 1 ? "ejection" : "ejections");
    std::printf("Callers saw %llu %s.\n", count(sums.failed),
                sums.failed == 1 ? "failure" : "failures");
  }

 private:
  struct Sums {
    std::uint64_t good = 0, failed = 0, retries = 0;
    std::uint64_t tries = 0, bad_tries = 0, ejections = 0, ejected_now = 0;
  };

  static unsigned long long count(std::uint64_t number) { return number; }

  static std::string breaker_of(const exchange::UpstreamLive& upstream) {
    static constexpr std::string_view kNames[] = {"closed", "half-open", "open"};
    if (!upstream.breaker.present) return "no breaker";
    return fmt::format("breaker {}", kNames[static_cast<std::size_t>(upstream.breaker.state)]);
  }

  static std::string rows_of(const exchange::UpstreamLive& upstream) {
    std::string rows;
    for (const auto& endpoint : upstream.endpoints) {
      const bool well = endpoint.state == "healthy";
      rows += fmt::format("  {:<9} {:<22} {}{:<10}\x1b[0m {:>6} {:>9} {:>6.0f} ms\n", upstream.name,
                          endpoint.address, well ? "\x1b[32m" : "\x1b[31m", endpoint.state,
                          endpoint.tries, endpoint.failures, seconds(endpoint.latency) * 1000);
    }
    rows += fmt::format("            {}, retry budget left {:.1f}\n", breaker_of(upstream),
                        upstream.retry_budget_remaining);
    return rows;
  }

  // All series of a counter, from the page that Prometheus gets.
  std::uint64_t counted(std::string_view name) const {
    std::istringstream page(daemon_.metrics_page());
    double sum = 0;
    for (std::string line; std::getline(page, line);) {
      if (line.starts_with(name)) sum += std::strtod(line.c_str() + line.rfind(' '), nullptr);
    }
    return static_cast<std::uint64_t>(sum);
  }

  Sums add_up(const exchange::LiveState& live) const {
    Sums sums;
    for (const Seen& each : seen_) {
      sums.good += each.good;
      sums.failed += each.failed;
    }
    sums.retries = counted("outrigger_retries_total");
    for (const auto& upstream : live.upstreams) {
      for (const auto& endpoint : upstream.endpoints) {
        sums.tries += endpoint.tries;
        sums.bad_tries += endpoint.failures;
        sums.ejected_now += endpoint.state == "healthy" ? 0 : 1;
      }
      for (const auto& each : upstream.ejections) sums.ejections += each.count;
    }
    return sums;
  }

  void print_line(const exchange::LiveState& live) const {
    const Sums sums = add_up(live);
    std::string breakers;
    for (const auto& upstream : live.upstreams) {
      if (upstream.breaker.present)
        breakers += fmt::format("; {} {}", upstream.name, breaker_of(upstream));
    }
    fmt::print(
        "callers: {} answered, {} failed | upstreams: {} of {} tries failed; {} retries, {} "
        "ejections,"
        " {} out now{}\n",
        sums.good, sums.failed, sums.bad_tries, sums.tries, sums.retries, sums.ejections,
        sums.ejected_now, breakers);
    std::fflush(stdout);
  }

  const Daemon& daemon_;
  const std::list<Seen>& seen_;
  bool plain_;
  std::string hints_;
};

// The playground.

class Playground final : private net::TimerEvents {
 public:
  Playground() : view_timer_(loop_, *this), end_timer_(loop_, *this) {}
  ~Playground() override { stop(); }

  DemoUpstream& upstream(Temper temper) {
    return *upstreams_.emplace_back(
        std::make_unique<DemoUpstream>(loop_, temper, upstreams_.size() + 1));
  }

  void start(const std::string& proxy, std::list<Seen>& seen, std::function<void()> draw,
             Duration every, Duration end_after, std::function<void()> end) {
    draw_ = std::move(draw);
    end_ = std::move(end);
    every_ = every;
    for (Seen& each : seen) {
      for (int i = 0; i < kCallersAPath; ++i) {
        callers_.push_back(
            std::make_unique<DemoCaller>(loop_, proxy, each, kPause, 100 + callers_.size()));
      }
    }
    view_timer_.arm(loop_.now() + every_);
    if (end_after > Duration{}) end_timer_.arm(loop_.now() + end_after);
    thread_ = std::thread([this] { loop_.run(); });
  }

  void stop() {
    if (!thread_.joinable()) return;
    loop_.post([this] { loop_.stop(); });
    thread_.join();
  }

 private:
  void on_timer(net::Timer& timer) override {
    if (&timer == &end_timer_) return end_();
    draw_();
    view_timer_.arm(loop_.now() + every_);
  }

  net::Loop loop_;
  std::vector<std::unique_ptr<DemoUpstream>> upstreams_;
  std::vector<std::unique_ptr<DemoCaller>> callers_;
  net::Timer view_timer_;
  net::Timer end_timer_;
  std::function<void()> draw_;
  std::function<void()> end_;
  Duration every_{};
  std::thread thread_;
};

}  // namespace

int demo(const DemoOptions& options) {
  const bool plain = options.plain || !isatty(STDOUT_FILENO);
  Playground playground;
  const Temper flaky{
      .error_share = 0.25, .reset_share = 0.1, .outage_every = 20s, .outage_for = 4s};
  const std::string listener = free_address(8080);
  const std::string admin = free_address(9901);
  using fmt::arg;
  const ConfigFile file(
      fmt::format(kConfig, arg("admin", admin), arg("listener", listener),
                  arg("flaky1", playground.upstream(flaky).address()),
                  arg("flaky2", playground.upstream(flaky).address()),
                  arg("healthy", playground.upstream({}).address()),
                  arg("slow", playground.upstream({.slow_share = 0.25}).address())));
  if (file.path().empty()) {
    std::fputs("outrigger: cannot write the demo's configuration: is TMPDIR writable?\n", stderr);
    return 1;
  }
  Daemon daemon;
  if (const auto status = daemon.start(file.path())) return *status;

  std::printf("configuration  %s\ntry            curl -i http://%s/flaky\n", file.path().c_str(),
              listener.c_str());
  std::printf("look at        http://%s/  http://%s/upstreams  http://%s/metrics\n", admin.c_str(),
              admin.c_str(), admin.c_str());
  std::printf("Ctrl-C ends it.\n\n");
  std::fflush(stdout);

  std::list<Seen> seen;
  for (const char* path : {"/flaky", "/slow"}) seen.emplace_back().path = path;
  View view(
      daemon, seen, plain,
      fmt::format("Ctrl-C ends it\n  configuration  {}\n  try            curl -i http://{}/flaky\n"
                  "  look at        http://{}/",
                  file.path(), listener, admin));
  playground.start(
      listener, seen, [&view] { view.draw(); }, plain ? kLineEvery : kScreenEvery,
      std::chrono::seconds(options.seconds), [&daemon] { daemon.stop(); });
  const int status = daemon.run();
  playground.stop();
  view.sum_up();
  return status;
}

}  // namespace outrigger::commands
