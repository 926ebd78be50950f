#include "proxy/simulation/service.h"

#include "proxy/base/check.h"
#include "proxy/simulation/caller.h"

namespace outrigger::simulation {

class Service::Call final : public VirtualCaller {
 public:
  Call(Service& service, std::uint64_t id, const Question& question, Asker& asker)
      : VirtualCaller(service.time_),
        service_(service),
        id_(id),
        asker_(&asker),
        method_(question.method),
        attempt_(std::to_string(question.attempt)),
        timeout_(std::to_string(question.timeout_ms)) {
    auto& request = exchange_.request();
    fill_request(request, service.shape_, method_);
    if (!service.pass_headers_) return;
    request.headers.add("x-outrigger-attempt", attempt_);
    if (question.timeout_ms > 0) request.headers.add("x-request-timeout-ms", timeout_);
  }

  void begin() {
    Sidecar& sidecar = service_.sidecar_;
    exchange_.begin(sidecar.scope(), sidecar.listener(service_.shape_.listener), *this);
    if (exchange_.active()) exchange_.on_read_done();
  }
  void cancel() {
    asker_ = nullptr;
    leave();
  }

  void send_head(const http::ResponseHead& head, std::string_view) override {
    answer_.status = head.status;
  }
  std::uint64_t send_local(const exchange::LocalReply& reply) override {
    answer_.status = reply.status;
    answer_.retry_after_s = reply.retry_after_s;
    if (reply.refused_elsewhere) answer_.retry_mark = "elsewhere";
    return reply.body.size();
  }

 private:
  void on_over(bool complete) override {
    if (!asker_) return;
    service_.calls_.erase(id_);
    asker_->on_answer(complete ? answer_ : Answer{});
  }

  Service& service_;
  std::uint64_t id_;
  Asker* asker_;  // null: cancelled
  std::string method_, attempt_, timeout_;
  Answer answer_;
};

Service::~Service() {
  INVARIANT(calls_.empty());
}

std::uint64_t Service::ask(const Question& question, Asker& asker) {
  const auto id = ++last_id_;
  auto* call = new Call(*this, id, question, asker);  // deletes itself when its exchange is over
  calls_[id] = call;
  call->begin();
  return id;
}

void Service::cancel(std::uint64_t id) {
  const auto at = calls_.find(id);
  if (at == calls_.end()) return;
  Call* call = at->second;
  calls_.erase(at);
  call->cancel();
}

void fill_request(http::RequestHead& request, const RequestShape& shape, std::string_view method) {
  request.clear();
  request.method = method;
  request.is_head = method == "HEAD";
  request.target = shape.target;
  request.path = shape.path;
  request.authority = shape.host;
  request.framing = http::Framing::None;
  for (const auto& [name, value] : shape.headers) request.headers.add(name, value);
}

}  // namespace outrigger::simulation
