// A caller on virtual time: makes one request, hears its end, and is gone.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "proxy/exchange/exchange.h"
#include "proxy/simulation/virtual_time.h"

namespace outrigger::simulation {

// Made with new; deletes itself soon after its exchange is over. Takes everything at once and
// sends no body; who wants it otherwise overrides.
class VirtualCaller : public exchange::Caller, private exchange::Task {
 public:
  explicit VirtualCaller(VirtualTime& time) : time_(time) {}
  ~VirtualCaller() override { *alive_ = false; }

  void leave() {
    if (exchange_.active()) exchange_.on_caller_gone();
  }

  void wake_at(TimePoint at) override {
    ++alarm_;
    if (at == kNever) return;
    time_.at(at, [this, alive = alive_, alarm = alarm_] {
      if (*alive && alarm == alarm_ && exchange_.active()) exchange_.on_time();
    });
  }
  void send_informational(const http::ResponseHead&) override {}
  void send_head(const http::ResponseHead&, std::string_view) override {}
  void send_body(std::string_view) override {}
  void send_end(const http::Headers*) override {}
  std::uint64_t send_local(const exchange::LocalReply&) override { return 0; }
  bool flush() override { return true; }
  void pause_body() override {}
  void resume_body() override {}
  void on_exchange_over(bool complete) override {
    complete_ = complete;
    time_.soon(*this);
  }
  std::string_view address() const override { return "127.0.0.1"; }

 protected:
  // Soon after the exchange, outside of its calls; `complete` as the exchange said.
  virtual void on_over(bool complete) = 0;

  void later(Duration wait, std::function<void()> what) {
    time_.after(wait, [alive = alive_, what = std::move(what)] {
      if (*alive) what();
    });
  }

  VirtualTime& time_;
  exchange::Exchange exchange_;

 private:
  void run() override {
    on_over(complete_);
    delete this;
  }

  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::uint64_t alarm_ = 0;
  bool complete_ = false;
};

}  // namespace outrigger::simulation
