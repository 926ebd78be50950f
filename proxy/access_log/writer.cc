#include "proxy/access_log/writer.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "proxy/base/check.h"

namespace outrigger::access_log {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatience{100};       // the longest that a line waits for others
constexpr milliseconds kLastPatience{1000};  // for a reader, before what is left is given up

TimePoint now() {
  return TimePoint{std::chrono::steady_clock::now().time_since_epoch()};
}

}  // namespace

Bell::Bell() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  INVARIANT(fd_ >= 0);
}

Bell::~Bell() {
  close(fd_);
}

void Bell::ring() {
  eventfd_write(fd_, 1);
}

bool Bell::wait(milliseconds patience, int writable) {
  pollfd asked[] = {{.fd = fd_, .events = POLLIN, .revents = 0},
                    {.fd = writable, .events = POLLOUT, .revents = 0}};
  poll(asked, 2, static_cast<int>(patience.count()));
  eventfd_t times = 0;
  return eventfd_read(fd_, &times) == 0;
}

// For other threads.

std::shared_ptr<File> Writer::add(const std::string& path, Output output) {
  auto file = std::make_shared<File>(path, std::move(output));
  const std::lock_guard lock(mutex_);
  files_.push_back(file);
  return file;
}

void Writer::replace(File& file, Output output) {
  {
    const std::lock_guard lock(mutex_);
    file.replacement = std::move(output);
  }
  bell_.ring();
}

void Writer::leave(File& file) {
  const std::lock_guard lock(mutex_);
  file.left = true;
}

std::shared_ptr<Lane> Writer::lane_of(File& file, std::size_t worker) {
  const std::lock_guard lock(mutex_);
  while (file.lanes.size() <= worker) file.lanes.push_back(std::make_shared<Lane>());
  ++file.lanes[worker]->users;
  return file.lanes[worker];
}

void Writer::end() {
  ending_ = true;
  bell_.ring();
}

bool Writer::ended() {
  return ended_.wait(kLastPatience + 2 * kPatience);
}

std::uint64_t Writer::dropped() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = dropped_;
  for (const auto& file : files_) {
    for (const auto& lane : file->lanes) sum += lane->ring.lost();
  }
  return sum;
}

// The thread.

void Writer::run() {
  TimePoint give_up_at = kNever;
  while (true) {
    const bool ending = ending_;
    if (ending) give_up_at = std::min(give_up_at, now() + kLastPatience);
    const bool all = write_all();
    if (ending && (all || now() >= give_up_at)) break;
    complain(false);
    bell_.wait(kPatience, full_);
  }
  for (const auto& file : work_) give_up(*file);
  complain(true);
  ended_.ring();
}

// What there is to do, copied out so that no file is written to under the lock.
void Writer::collect() {
  const std::lock_guard lock(mutex_);
  std::erase_if(files_, [this](const auto& file) { return left_for_good(*file); });
  work_ = files_;
  for (const auto& file : work_) {
    if (file->read.size() < file->lanes.size()) file->read = file->lanes;
    if (file->replacement) file->next = std::exchange(file->replacement, std::nullopt);
  }
}

// In the round after nobody could write to it any more, for that one has seen all lines.
bool Writer::left_for_good(File& file) {
  if (!file.left) return false;
  const auto unused = [](const auto& lane) { return lane->users == 0; };
  if (!std::ranges::all_of(file.lanes, unused)) return false;
  if (file.leave_by == kNever) {
    file.leave_by = now() + kLastPatience;
    return false;
  }
  if (!file.empty && now() < file.leave_by) return false;
  give_up(file);
  for (const auto& lane : file.lanes) dropped_ += lane->ring.lost();
  return true;
}

// True where nothing is left.
bool Writer::write_all() {
  collect();
  full_ = -1;
  error_ = 0;
  bool all = true;
  for (const auto& file : work_) {
    file->empty = write(*file);
    all = all && file->empty;
  }
  return all;
}

bool Writer::write(File& file) {
  const bool rest_gone = write_rest(file);
  if (file.next) {
    if (!rest_gone) ++dropped_;
    file.output = std::move(*std::exchange(file.next, std::nullopt));
  } else if (full_ == file.output.fd()) {
    return false;
  }
  bool all = true;
  for (const auto& lane : file.read) all = write_lane(file, lane->ring) && all;
  return all;
}

// What the last write has left of a line.
bool Writer::write_rest(File& file) {
  if (!file.output.has_rest()) return true;
  const Output::Progress progress = file.output.write_rest();
  if (progress.outcome == Output::Outcome::Full) full_ = file.output.fd();
  if (progress.outcome == Output::Outcome::Failed) error_ = progress.error;
  return progress.outcome == Output::Outcome::Written;
}

// Twice, as lines may stand at the end of the ring and at its beginning; not for as long as there
// are any, so that other lanes have their turn.
bool Writer::write_lane(File& file, LineRing& ring) {
  ring.look_again();
  for (int i = 0; i < 2; ++i) {
    const std::string_view lines = ring.lines();
    if (lines.empty()) break;
    const Output::Progress progress = file.output.write(lines);
    if (progress.outcome == Output::Outcome::Failed) {
      drop(lines.substr(progress.bytes), progress.error);
      ring.take(lines.size());
      continue;
    }
    ring.take(progress.bytes);
    if (progress.outcome == Output::Outcome::Full) {
      full_ = file.output.fd();
      return false;
    }
  }
  return ring.lines().empty();
}

void Writer::drop(std::string_view lines, int error) {
  dropped_ += static_cast<std::uint64_t>(std::ranges::count(lines, '\n'));
  error_ = error;
}

void Writer::give_up(File& file) {
  for (const auto& lane : file.read) {
    for (auto lines = lane->ring.lines(); !lines.empty(); lines = lane->ring.lines()) {
      drop(lines, 0);
      lane->ring.take(lines.size());
    }
  }
  if (file.output.has_rest()) ++dropped_;
}

void Writer::complain(bool last) {
  const std::uint64_t lost = dropped();
  if (lost == told_ || !(last || seldom_.due(now()))) return;
  log::warn("access log: {} lines lost, {}", lost - told_,
            error_ != 0 ? std::strerror(error_) : "what reads them is too slow");
  told_ = lost;
}

}  // namespace outrigger::access_log
