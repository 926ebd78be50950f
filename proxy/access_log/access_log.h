// The access log of the daemon: workers put lines into rings of their own, one thread writes them.
//
// No worker ever waits for a disk or a reader: lines that come while a ring is full, and those that
// a failing file does not take, are lost and counted. A reload that names another file leaves the
// old one open until the exchanges that began with it have ended; they write to it as they were
// told. Off, there is no thread.
//
// What a line holds is line_format.h, which exchanges have one is selection.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "config/model.h"
#include "proxy/access_log/output.h"
#include "proxy/base/result.h"
#include "proxy/exchange/record.h"

namespace outrigger::access_log {

class Writer;
struct File;

// Milliseconds since 1970.
using Clock = std::int64_t (*)();

class AccessLog {
 public:
  AccessLog(std::uint64_t seed, Clock clock);
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  // All from the control thread, save dropped().

  // What `settings` needs that is not open yet: nothing where the file is in use or the log off.
  Result<std::optional<Output>, std::string> open(
      const std::optional<config::AccessLog>& settings) const;
  // From now on. `opened` is what open() gave for them.
  void use(const std::optional<config::AccessLog>& settings, std::optional<Output> opened);
  // For one worker and a configuration with the settings in use: an observer that also tells
  // `next`; `next` itself where the log is off. May outlive this.
  std::unique_ptr<exchange::Observer> observer_for(std::size_t worker, const config::Config& config,
                                                   std::unique_ptr<exchange::Observer> next);
  // Opens the file in use again by its path. What went wrong; all goes on as before then.
  std::optional<std::string> reopen();
  // Writes what there is, for a moment only where nobody reads it, and ends the thread. No observer
  // is called any more.
  void stop();

  bool on() const { return file_ != nullptr; }
  // From any thread: lines lost.
  std::uint64_t dropped() const;

 private:
  void start_thread();

  std::uint64_t seed_;
  const Clock clock_;
  std::shared_ptr<Writer> writer_;
  std::shared_ptr<File> file_;  // null: the log is off
  std::thread thread_;
};

}  // namespace outrigger::access_log
