// Copies of requests for another upstream: sent, answered and forgotten, whatever comes of them.
//
// A copy has its own bytes, so that it outlives the exchange it was made from, and nothing of it
// ever reaches that exchange. It waits for nothing: where the upstream's bulkhead, breaker or
// balancer does not take it at once, it is dropped. It goes out when the whole body has come, and
// is not tried again. Breaker and detectors of the mirror's upstream see it as any try.
//
// A worker has one pool of them; begin() … the end of the answer may happen many times in one
// object's life, so that nothing is allocated after warm-up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/exchange/ports.h"
#include "proxy/exchange/record.h"

namespace outrigger::exchange {

struct Scope;
struct Route;
class Mirrors;

class Mirror final : private AttemptEvents, private Task {
 public:
  static constexpr std::size_t kMaxBody = 64 * 1024;
  // Where the route's `request` timeout is off.
  static constexpr Duration kMaxTime = std::chrono::seconds(15);

  explicit Mirror(Mirrors& pool) : pool_(pool) {}
  ~Mirror() override;

  // The rest of the body; false: it is too large, and this mirror gone.
  bool add(std::string_view bytes);
  void send();     // the body is whole: goes out soon, and its own way
  void abandon();  // it will not become whole

 private:
  friend class Mirrors;

  void run() override;
  void begin(Scope& scope, const Route& route, const TryRequest& first);
  void expire(TimePoint now);
  void cancel(policy::TryOutcome outcome);
  void drop(MirrorDrop why, LimitKind limit = LimitKind::None);
  void finish();
  bool busy() const { return scope_ != nullptr; }

  void on_try_started(std::uint32_t) override {}
  void on_try_refused(const Refusal&) override;
  void on_try_ready() override;
  void on_try_failed(const policy::TryEnd& end) override;
  void on_try_head(const http::ResponseHead& head, const policy::TryEnd& end) override;
  void on_try_body(std::string_view) override {}
  void on_try_end(const http::Headers*) override { finish(); }
  void on_try_broken() override { finish(); }
  void on_try_read_done() override {}
  void on_try_writable() override {}
  void end_record(const policy::TryEnd& end);

  Mirrors& pool_;
  Scope* scope_ = nullptr;  // while it is in use
  const Route* route_ = nullptr;
  std::string head_block_;
  std::string client_ip_, request_id_;
  KeptBytes body_;
  http::RequestHead head_;
  TryRequest request_;
  AttemptPtr attempt_;
  MirrorRecord record_;
  TimePoint started_{};
};

// The mirrors of one worker.
class Mirrors {
 public:
  static constexpr std::size_t kMaxInFlight = 128;

  Mirrors() = default;
  ~Mirrors() { clear(); }
  Mirrors(const Mirrors&) = delete;
  Mirrors& operator=(const Mirrors&) = delete;

  // A copy of the request whose `first` try has begun, with the route's mirror as its target; its
  // body is still to come where it has one. Null where there are too many, or its body is known
  // to be too large. `scope` is held until its end.
  Mirror* begin(Scope& scope, const Route& route, const TryRequest& first);
  void expire(TimePoint now);  // gives up what takes too long; to be called about each second
  void clear();                // gives up everything
  std::size_t in_flight() const { return all_.size() - spare_.size(); }

 private:
  friend class Mirror;

  std::vector<std::unique_ptr<Mirror>> all_;
  std::vector<Mirror*> spare_;
};

}  // namespace outrigger::exchange
