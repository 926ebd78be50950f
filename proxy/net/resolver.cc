#include "proxy/net/resolver.h"

#include <netdb.h>
#include <sys/socket.h>
#include <uv.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "proxy/net/handle.h"
#include "proxy/net/loop.h"

namespace outrigger::net {
namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&uv_freeaddrinfo)>;

std::vector<Address> addresses_of(const addrinfo* entry, std::uint16_t port) {
  std::vector<Address> addresses;
  for (; entry != nullptr && addresses.size() < Resolution::kMaxAddresses; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
    addresses.push_back(Address::from_native(*entry->ai_addr).with_port(port));
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

}  // namespace

// Lives until libuv calls back, which it does also after a cancel.
struct Resolution::Request final : public Dependent {
  uv_getaddrinfo_t native{};
  Resolution* owner = nullptr;
  std::uint16_t port = 0;

  void abandon() {
    owner = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(&native));  // in vain when a thread has begun
  }
  void on_loop_end() override {
    if (owner != nullptr) owner->request_ = nullptr;
    abandon();
  }
  static void on_result(uv_getaddrinfo_t* native, int status, addrinfo* result) {
    const std::unique_ptr<Request> ended{static_cast<Request*>(native->data)};
    const AddressList list{result, &uv_freeaddrinfo};
    if (ended->owner == nullptr) return;
    Resolution& owner = *ended->owner;
    owner.request_ = nullptr;
    if (status < 0) return owner.fail(status);
    auto addresses = addresses_of(list.get(), ended->port);
    if (addresses.empty()) return owner.fail(UV_EAI_NONAME);
    owner.events_.on_resolved(std::move(addresses));
  }
};

Resolution::Resolution(Loop& loop, const std::string& name, std::uint16_t port,
                       ResolutionEvents& events)
    : events_(events), name_(name) {
  auto request = std::make_unique<Request>();
  request->native.data = request.get();
  request->owner = this;
  request->port = port;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;  // no IPv6 where the host has none
  status_ = uv_getaddrinfo(loop.native(), &request->native, &Request::on_result, name_.c_str(),
                           nullptr, &hints);
  if (status_ < 0) {
    loop.defer(*this);
    return;
  }
  loop.attach(*request);
  request_ = request.release();
}

Resolution::~Resolution() {
  if (request_ != nullptr) request_->abandon();
}

void Resolution::run_deferred() {
  fail(status_);
}

void Resolution::fail(int status) {
  events_.on_resolve_failed(name_ + ": " + uv_strerror(status));
}

}  // namespace outrigger::net
