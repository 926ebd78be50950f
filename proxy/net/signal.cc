#include "proxy/net/signal.h"

#include <utility>

#include "proxy/base/check.h"
#include "proxy/net/handle.h"
#include "proxy/net/loop.h"

namespace outrigger::net {

class SignalHandle final : public Handle<uv_signal_t, Signal> {
 public:
  SignalHandle(Loop& loop, Signal& owner, int signum) : Handle(owner) {
    INVARIANT(uv_signal_init(loop.native(), &native()) == 0);
    hold();
    const auto call = [](uv_signal_t* handle, int) {
      Signal* signal = of(handle).owner();
      if (signal == nullptr) return;
      const auto on_signal = signal->on_signal_;  // a copy: it may destroy the Signal
      on_signal();
    };
    INVARIANT(uv_signal_start(&native(), call, signum) == 0);
  }

 private:
  void orphan() override {
    if (owner() != nullptr) owner()->handle_ = nullptr;
    forget_owner();
  }
};

Signal::Signal(Loop& loop, int signum, std::function<void()> on_signal)
    : on_signal_(std::move(on_signal)), handle_(new SignalHandle{loop, *this, signum}) {}

Signal::~Signal() {
  if (handle_ != nullptr) handle_->release();
}

}  // namespace outrigger::net
