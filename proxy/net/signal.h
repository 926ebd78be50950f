// Calls back on a loop's thread when the process gets a signal.
#pragma once

#include <functional>

namespace outrigger::net {

class Loop;
class SignalHandle;

class Signal {
 public:
  // From `on_signal`, the Signal may be destroyed.
  Signal(Loop& loop, int signum, std::function<void()> on_signal);
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

 private:
  friend class SignalHandle;

  std::function<void()> on_signal_;
  SignalHandle* handle_ = nullptr;
};

}  // namespace outrigger::net
