// One endpoint of the simulated network: takes requests, works on as many at once as it can, and
// answers as its behaviour of the moment says, or asks another service first (Onward).
//
// It does not know connections: whoever asks is an Asker, and may be gone before the answer.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proxy/simulation/behaviour.h"
#include "proxy/simulation/virtual_time.h"

namespace outrigger::simulation {

// What a server, or the service it asks, knows of a request.
struct Question {
  std::string method;
  std::uint32_t attempt = 1;     // x-outrigger-attempt
  std::uint64_t timeout_ms = 0;  // x-request-timeout-ms; 0: none
};

struct Answer {
  int status = 0;  // 0: the connection is closed instead
  bool breaks = false;
  std::string_view retry_mark;  // x-outrigger-retry; a literal
  std::uint32_t retry_after_s = 0;
};

class Asker {
 public:
  virtual ~Asker() = default;
  virtual void on_answer(const Answer& answer) = 0;
};

// Where a server's good answers come from, if not from itself. The answer comes later than ask()
// returns, and not at all once cancelled.
class Onward {
 public:
  virtual ~Onward() = default;
  virtual std::uint64_t ask(const Question& question, Asker& asker) = 0;  // never 0
  virtual void cancel(std::uint64_t id) = 0;
};

class Server {
 public:
  Server(VirtualTime& time, std::uint64_t seed) : time_(time), random_(seed) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void behave(Behaviour behaviour);
  void ask_on_through(Onward& onward) { onward_ = &onward; }  // which outlives the requests

  enum class Connect { Accepted, Refused, Silent };
  Connect connect();
  // Answers later. The number is for forget(), which may come at any time before the answer.
  std::uint64_t ask(Question question, Asker& asker);
  void forget(std::uint64_t id);

  // Since the last take_load().
  struct Load {
    std::uint64_t requests = 0;
    std::uint64_t wasted = 0;   // answers that nobody waited for any more
    std::uint32_t at_once = 0;  // the most, those in its queue included
  };
  Load take_load();

 private:
  struct Job final : Asker {
    Server* server = nullptr;
    std::uint64_t id = 0;
    Asker* asker = nullptr;  // null: gone
    Question question;
    Answer answer;
    bool working = false;
    bool queued = false;
    std::uint64_t onward_id = 0;  // 0: it has not asked on
    void on_answer(const Answer& from_onward) override;
  };

  std::uint32_t busy() const { return static_cast<std::uint32_t>(jobs_.size()); }
  bool happens(double percent) { return percent > 0 && random_.unit() * 100 < percent; }
  Answer choose_answer();
  void work(Job& job);
  void work_over(std::uint64_t id);
  void done(std::uint64_t id);
  void serve_queue();

  VirtualTime& time_;
  Random random_;
  Behaviour behaviour_;
  Onward* onward_ = nullptr;
  std::unordered_map<std::uint64_t, Job> jobs_;
  std::deque<std::uint64_t> queue_;
  std::uint64_t last_id_ = 0;
  std::uint32_t working_ = 0;
  Load load_;
};

}  // namespace outrigger::simulation
