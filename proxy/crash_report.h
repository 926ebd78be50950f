// What a process that dies of a bug of ours says on stderr first: the signal, the stack, and the
// ids of the requests under way. It then dies of that signal, so that core dumps and exit statuses
// are what they would be.
//
// All of it runs inside a signal handler: it only writes, and what it reads may be half changed.
// Should it fail in turn, the process dies at once; should it hang, after kMaxTimeOfCrashReport, of
// SIGALRM.
#pragma once

#include <cstddef>
#include <string_view>

namespace outrigger {

inline constexpr unsigned kMaxTimeOfCrashReport = 5;  // seconds

// Who knows the requests under way.
class CrashWitness {
 public:
  virtual ~CrashWitness() = default;
  // Calls crash_line() for each, and looks at no more than kMaxRequests: what links them may be
  // broken. On whatever thread has crashed.
  virtual void tell_requests() const = 0;

  static constexpr int kMaxRequests = 100'000;
};

// SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT from now on. `witness` may be null, and outlives the
// process or the next call. Does nothing under a sanitizer, which has a report of its own.
void report_crashes(const CrashWitness* witness);

// Safe in a signal handler.
void crash_line(std::string_view before, std::string_view text);

// A stack for the handler, on the thread that makes it: its own may be what overflowed.
class CrashStack {
 public:
  CrashStack();
  ~CrashStack();
  CrashStack(const CrashStack&) = delete;
  CrashStack& operator=(const CrashStack&) = delete;

 private:
  static constexpr std::size_t kSize = 64 * 1024;
  void* memory_;
};

}  // namespace outrigger
