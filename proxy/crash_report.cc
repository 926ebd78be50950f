#include "proxy/crash_report.h"

#include <execinfo.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

namespace outrigger {
namespace {

#ifdef __has_feature
constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

constexpr int kFatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr int kMaxFrames = 64;

std::atomic<const CrashWitness*> witness_of_crashes{nullptr};

std::string_view name_of(int signum) {
  switch (signum) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGFPE:
      return "SIGFPE";
    case SIGILL:
      return "SIGILL";
    default:
      return "SIGABRT";
  }
}

// SA_RESETHAND has given the signal its default back: raising it again ends the process, also
// where what follows crashes.
void on_fatal_signal(int signum) {
  signal(SIGALRM, SIG_DFL);
  alarm(kMaxTimeOfCrashReport);
  crash_line("outrigger " OUTRIGGER_VERSION " crashed: ", name_of(signum));
  void* frames[kMaxFrames];
  backtrace_symbols_fd(frames, backtrace(frames, kMaxFrames), STDERR_FILENO);
  if (const CrashWitness* witness = witness_of_crashes.exchange(nullptr)) {
    witness->tell_requests();
  }
  raise(signum);
}

}  // namespace

void crash_line(std::string_view before, std::string_view text) {
  constexpr std::string_view kEnd = "\n";
  const auto piece = [](std::string_view bytes) {
    return iovec{const_cast<char*>(bytes.data()), bytes.size()};
  };
  const iovec pieces[] = {piece(before), piece(text), piece(kEnd)};
  [[maybe_unused]] const auto written = writev(STDERR_FILENO, pieces, 3);
}

void report_crashes(const CrashWitness* witness) {
  if (kSanitized) return;
  witness_of_crashes = witness;
  void* frame[1];
  backtrace(frame, 1);  // the first call loads a library, which a handler must not
  struct sigaction action {};
  action.sa_handler = on_fatal_signal;
  action.sa_flags = static_cast<int>(SA_ONSTACK | SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (const int signum : kFatal) sigaction(signum, &action, nullptr);
}

CrashStack::CrashStack()
    : memory_(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK,
                   -1, 0)) {
  if (memory_ == MAP_FAILED || kSanitized) return;
  const stack_t stack{.ss_sp = memory_, .ss_flags = 0, .ss_size = kSize};
  sigaltstack(&stack, nullptr);
}

CrashStack::~CrashStack() {
  if (memory_ == MAP_FAILED) return;
  if (!kSanitized) {
    const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
    sigaltstack(&none, nullptr);
  }
  munmap(memory_, kSize);
}

}  // namespace outrigger
