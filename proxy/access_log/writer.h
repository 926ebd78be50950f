// The thread that writes the workers' lines, and what it writes to.
//
// Files are few: the one in force and, after a reload that names another, those that exchanges
// begun before it still write to.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "proxy/access_log/line_format.h"
#include "proxy/access_log/line_ring.h"
#include "proxy/access_log/output.h"
#include "proxy/base/log.h"
#include "proxy/base/time.h"

namespace outrigger::access_log {

// Says from one thread to another that there is something to do.
class Bell {
 public:
  Bell();
  ~Bell();
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  void ring();
  // False: it was not rung in time. It also returns when `writable` takes more; -1: none.
  bool wait(std::chrono::milliseconds patience, int writable = -1);

 private:
  int fd_;
};

// One worker's lines for one file.
struct Lane {
  LineRing ring{kMaxLine};
  std::atomic<int> users{0};  // observers that may still write
};

// A path of the configuration, and what is open there now.
struct File {
  File(std::string name, Output opened) : path(std::move(name)), output(std::move(opened)) {}

  const std::string path;
  // Under the writer's mutex.
  std::vector<std::shared_ptr<Lane>> lanes;  // by worker
  std::optional<Output> replacement;         // takes the place of `output`
  bool left = false;                         // no longer configured
  // The thread's own.
  Output output;
  std::vector<std::shared_ptr<Lane>> read;
  std::optional<Output> next;
  TimePoint leave_by = kNever;  // nobody can write to it any more
  bool empty = true;
};

// What is shared with the thread, which a disk that does not answer may hold up beyond the end of
// the daemon.
class Writer {
 public:
  // For other threads. Those of the control thread:
  std::shared_ptr<File> add(const std::string& path, Output output);
  void replace(File& file, Output output);
  void leave(File& file);
  std::shared_ptr<Lane> lane_of(File& file, std::size_t worker);  // one more user of it
  void end();
  bool ended();  // false: it does not end
  // And those of any:
  void wake() { bell_.ring(); }
  std::uint64_t dropped() const;

  // The thread.
  void run();

 private:
  void collect();
  bool left_for_good(File& file);
  bool write_all();
  bool write(File& file);
  bool write_rest(File& file);
  bool write_lane(File& file, LineRing& ring);
  void drop(std::string_view lines, int error);
  void give_up(File& file);
  void complain(bool last);

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<File>> files_;
  Bell bell_;
  Bell ended_;
  std::atomic<bool> ending_{false};
  std::atomic<std::uint64_t> dropped_{0};  // besides what the rings have lost
  // The thread's own.
  std::vector<std::shared_ptr<File>> work_;
  int full_ = -1;  // a descriptor that takes no more for now
  int error_ = 0;  // of the last write that failed; 0: none has in this round
  log::Seldom seldom_;
  std::uint64_t told_ = 0;
};

}  // namespace outrigger::access_log
