#include "proxy/access_log/access_log.h"

#include <pthread.h>

#include <csignal>

#include "proxy/access_log/line_format.h"
#include "proxy/access_log/selection.h"
#include "proxy/access_log/writer.h"
#include "proxy/base/log.h"
#include "proxy/base/random.h"

namespace outrigger::access_log {
namespace {

// Wall time by a worker's clock, which is read anyway. What has been set meanwhile is heard of once
// a second.
class WallTime {
 public:
  explicit WallTime(Clock clock) : clock_(clock) {}

  std::int64_t unix_ms(TimePoint at) {
    const std::int64_t ms = at.time_since_epoch().count() / 1'000'000;
    if (at >= look_at_) {
      offset_ = clock_() - ms;
      look_at_ = at + std::chrono::seconds(1);
    }
    return ms + offset_;
  }

 private:
  Clock clock_;
  std::int64_t offset_ = 0;
  TimePoint look_at_{};
};

class ExchangeLog final : public exchange::Observer {
 public:
  ExchangeLog(const config::Config& config, std::unique_ptr<exchange::Observer> next,
              std::shared_ptr<Writer> writer, std::shared_ptr<Lane> lane, std::uint64_t seed,
              Clock clock)
      : selection_(*config.access_log),
        format_(*config.access_log, config),
        random_(seed),
        time_(clock),
        next_(std::move(next)),
        writer_(std::move(writer)),
        lane_(std::move(lane)) {}
  ~ExchangeLog() override { --lane_->users; }

  void on_exchange_begun(std::uint32_t listener, std::uint32_t route) override {
    next_->on_exchange_begun(listener, route);
  }
  void on_exchange(const exchange::ExchangeRecord& record) override {
    next_->on_exchange(record);
    if (!selection_.takes(record, random_)) return;
    char* const line = lane_->ring.begin_line();
    if (!line) return;
    const char* const end =
        format_.write(line, record, time_.unix_ms(record.began + record.duration));
    if (lane_->ring.end_line(static_cast<std::size_t>(end - line))) writer_->wake();
  }
  void on_mirror(const exchange::MirrorRecord& record) override { next_->on_mirror(record); }

 private:
  const Selection selection_;
  LineFormat format_;
  Random random_;
  WallTime time_;
  const std::unique_ptr<exchange::Observer> next_;
  const std::shared_ptr<Writer> writer_;
  const std::shared_ptr<Lane> lane_;
};

// Signals are the control thread's; those of a crash come on the thread that makes them.
void block_signals() {
  sigset_t set;
  sigfillset(&set);
  for (const int signum : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&set, signum);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

AccessLog::AccessLog(std::uint64_t seed, Clock clock)
    : seed_(seed), clock_(clock), writer_(std::make_shared<Writer>()) {}

AccessLog::~AccessLog() {
  stop();
}

Result<std::optional<Output>, std::string> AccessLog::open(
    const std::optional<config::AccessLog>& settings) const {
  if (!settings || (file_ && file_->path == settings->path)) return std::optional<Output>();
  auto opened = Output::open(settings->path);
  if (!opened) return opened.error();
  return std::optional<Output>(std::move(opened.value()));
}

void AccessLog::use(const std::optional<config::AccessLog>& settings,
                    std::optional<Output> opened) {
  const bool same = settings && file_ && file_->path == settings->path;
  if (same) return;
  if (file_) writer_->leave(*file_);
  file_ = settings ? writer_->add(settings->path, std::move(*opened)) : nullptr;
  if (file_ && !thread_.joinable()) start_thread();
}

void AccessLog::start_thread() {
  thread_ = std::thread([writer = writer_] {
    block_signals();
    writer->run();
  });
}

std::unique_ptr<exchange::Observer> AccessLog::observer_for(
    std::size_t worker, const config::Config& config, std::unique_ptr<exchange::Observer> next) {
  if (!file_) return next;
  return std::make_unique<ExchangeLog>(config, std::move(next), writer_,
                                       writer_->lane_of(*file_, worker), ++seed_, clock_);
}

std::optional<std::string> AccessLog::reopen() {
  if (!file_) return std::nullopt;
  auto opened = Output::open(file_->path);
  if (!opened) return opened.error();
  writer_->replace(*file_, std::move(opened.value()));
  return std::nullopt;
}

void AccessLog::stop() {
  if (!thread_.joinable()) return;
  writer_->end();
  if (writer_->ended()) return thread_.join();
  log::warn("access log: {} does not take what is left", file_ ? file_->path : "a file");
  thread_.detach();
}

std::uint64_t AccessLog::dropped() const {
  return writer_->dropped();
}

}  // namespace outrigger::access_log
