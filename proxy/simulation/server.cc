#include "proxy/simulation/server.h"

#include <algorithm>
#include <utility>

namespace outrigger::simulation {
namespace {

constexpr int kOk = 200;
constexpr int kUnavailable = 503;
// What a refusal out of hand takes.
constexpr Duration kAtOnce = std::chrono::microseconds(200);

}  // namespace

void Server::behave(Behaviour behaviour) {
  behaviour_ = std::move(behaviour);
  serve_queue();
}

Server::Connect Server::connect() {
  if (happens(behaviour_.unreachable_percent)) return Connect::Silent;
  return happens(behaviour_.refuse_percent) ? Connect::Refused : Connect::Accepted;
}

std::uint64_t Server::ask(Question question, Asker& asker) {
  const auto id = ++last_id_;
  Job& job = jobs_[id];
  job.server = this;
  job.id = id;
  job.asker = &asker;
  job.question = std::move(question);
  ++load_.requests;
  load_.at_once = std::max(load_.at_once, busy());
  if (happens(behaviour_.hang_percent)) return id;  // until it is forgotten
  const auto& capacity = behaviour_.capacity;
  if (!capacity || working_ < capacity->requests) {
    work(job);
  } else if (queue_.size() < capacity->queue) {
    job.queued = true;
    queue_.push_back(id);
  } else {
    job.answer = {.status = kUnavailable};
    time_.after(kAtOnce, [this, id] { done(id); });
  }
  return id;
}

Answer Server::choose_answer() {
  if (happens(behaviour_.reset_percent)) return {};
  if (happens(behaviour_.elsewhere_percent)) {
    return {.status = kUnavailable, .retry_mark = "elsewhere"};
  }
  Answer answer{.status = kOk, .breaks = happens(behaviour_.break_percent)};
  double chance = behaviour_.statuses.empty() ? 0 : random_.unit() * 100;
  for (const StatusShare& share : behaviour_.statuses) {
    if (chance < share.percent) {
      answer.status = share.status;
      break;
    }
    chance -= share.percent;
  }
  return answer;
}

void Server::work(Job& job) {
  job.queued = false;
  job.working = true;
  ++working_;
  job.answer = choose_answer();
  time_.after(draw(behaviour_.latency, random_), [this, id = job.id] { work_over(id); });
}

void Server::work_over(std::uint64_t id) {
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return;
  Job& job = at->second;
  const bool asks_on = onward_ && job.answer.status == kOk && job.asker;
  if (!asks_on) return done(id);
  job.onward_id = onward_->ask(job.question, job);
}

void Server::Job::on_answer(const Answer& from_onward) {
  onward_id = 0;
  answer = from_onward;
  server->done(id);
}

void Server::done(std::uint64_t id) {
  const auto job = jobs_.extract(id);
  if (job.empty()) return;
  if (job.mapped().working) --working_;
  if (Asker* asker = job.mapped().asker) {
    asker->on_answer(job.mapped().answer);
  } else {
    ++load_.wasted;
  }
  serve_queue();
}

void Server::serve_queue() {
  while (!queue_.empty() && (!behaviour_.capacity || working_ < behaviour_.capacity->requests)) {
    const auto job = jobs_.find(queue_.front());
    queue_.pop_front();
    if (job != jobs_.end()) work(job->second);
  }
}

void Server::forget(std::uint64_t id) {
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return;
  Job& job = at->second;
  job.asker = nullptr;
  const bool asked_on = job.onward_id != 0;
  if (asked_on) onward_->cancel(std::exchange(job.onward_id, 0));
  const bool keeps_at_it =
      behaviour_.capacity && behaviour_.capacity->abandoned == Abandoned::Finish;
  if (keeps_at_it && !asked_on && (job.working || job.queued)) return;
  if (job.working) --working_;
  jobs_.erase(at);
  serve_queue();
}

Server::Load Server::take_load() {
  const Load taken = std::exchange(load_, {});
  load_.at_once = busy();
  return taken;
}

}  // namespace outrigger::simulation
