// A service in the middle of a chain: for each request it is asked, it asks on through an outrigger
// of its own, and passes the answer back.
#pragma once

#include <map>
#include <memory>

#include "proxy/simulation/scenario.h"
#include "proxy/simulation/server.h"
#include "proxy/simulation/sidecar.h"

namespace outrigger::simulation {

class Service final : public Onward {
 public:
  // All of them outlive it.
  Service(VirtualTime& time, Sidecar& sidecar, const RequestShape& shape, bool pass_headers)
      : time_(time), sidecar_(sidecar), shape_(shape), pass_headers_(pass_headers) {}
  ~Service() override;

  std::uint64_t ask(const Question& question, Asker& asker) override;
  void cancel(std::uint64_t id) override;

 private:
  class Call;

  VirtualTime& time_;
  Sidecar& sidecar_;
  const RequestShape& shape_;
  bool pass_headers_;
  std::map<std::uint64_t, Call*> calls_;  // whose answer is waited for
  std::uint64_t last_id_ = 0;
};

// `request` as that shape says; its views live as long as shape and method.
void fill_request(http::RequestHead& request, const RequestShape& shape, std::string_view method);

}  // namespace outrigger::simulation
