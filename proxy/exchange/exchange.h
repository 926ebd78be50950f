// The life of one request: route → admit → attempt → (retry) → relay → record.
//
// It carries out what AttemptPlan decides and decides nothing itself. Callers and upstreams are
// ports; bytes pass through without a copy, save the body kept for another try. Pooled per
// worker: begin() … finish() may happen many times in one object's life.
//
// Every path reaches finish() once: it settles every admission and hands one ExchangeRecord to
// the observer.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/exchange/ports.h"
#include "proxy/exchange/scope.h"
#include "proxy/policy/attempt_plan.h"
#include "proxy/policy/fault_injection.h"

namespace outrigger::exchange {

class Exchange final : private policy::RetryGate {
 public:
  Exchange();
  ~Exchange() override;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Where the caller's side puts the head before begin(): the block of bytes, and what was
  // parsed from it (views into the block). Both are kept until the next begin().
  std::string& head_block() { return head_block_; }
  http::RequestHead& request() { return head_; }

  // Starts on request() with the routes of `listener`. `scope`, `caller` outlive the exchange.
  // `body_arrived`: all of it is told in this turn.
  void begin(Scope& scope, const ListenerRoutes& listener, Caller& caller,
             bool body_arrived = false);
  // The same for a request that is answered `kind` before it could be understood.
  void refuse(Scope& scope, const ListenerRoutes& listener, Caller& caller, FailureKind kind);

  // What the caller does, while active().
  void on_body(std::string_view bytes);  // also raw bytes of a tunnel
  void on_request_end(const http::Headers* trailers);
  void on_read_done();  // all of one read has been told
  void on_bad_body();   // its framing is malformed
  void on_caller_gone();
  void on_caller_writable();
  void on_caller_stalled(TimeoutKind kind);  // listener read or write timeout
  void on_time();

  // Lets go of buffers that one large request has made; between two requests.
  void trim();

  bool active() const { return active_; }
  bool tunnelled() const { return tunnelled_; }
  bool head_sent() const { return head_sent_; }
  std::string_view request_id() const { return request_id_; }
  // What the route does to the head of a response that is passed on.
  const http::HeaderEdits* response_edits() const {
    return route_ && route_->response_edits ? &*route_->response_edits : nullptr;
  }
  // For them.
  http::HeaderVariables response_variables() const;
  // For it: the split's and the balancer's; empty ones are none.
  std::span<const std::string> set_cookies() const { return set_cookies_; }

 private:
  // One try under way. There are several only while one is hedged; a lane is its place here and
  // in the plan.
  struct Lane final : AttemptEvents {
    Exchange* exchange = nullptr;
    AttemptPtr attempt;
    TryRequest request;
    std::size_t record = 0;  // into record_.tries
    TimePoint started{};
    TimePoint queued_since{};

    bool connected() const { return attempt && attempt->connected(); }

    void on_try_started(std::uint32_t endpoint) override;
    void on_try_refused(const Refusal& refusal) override;
    void on_try_ready() override;
    void on_try_failed(const policy::TryEnd& end) override;
    void on_try_head(const http::ResponseHead& head, const policy::TryEnd& end) override;
    void on_try_body(std::string_view bytes) override;
    void on_try_end(const http::Headers* trailers) override;
    void on_try_broken() override;
    void on_try_read_done() override;
    void on_try_writable() override;
  };

  // Its place in the line beyond the route's adaptive limit, and what it came to.
  struct Turn final : RouteState::Waiter {
    Exchange* exchange = nullptr;
    void run() override { exchange->on_turn(); }
  };

  // What the route's fallback stands in for, once its upstream is asked instead.
  struct Fallback {
    FailureKind kind = FailureKind::None;  // None: a response, that was given up
    Refusal refusal;
    int status = 0;  // of the response
    std::string_view reason;
  };

  // In the order in which it happens.
  void reset(Scope& scope, const ListenerRoutes& listener, Caller& caller);
  void name_request();
  bool find_route();
  std::uint32_t choose_upstream();
  std::uint64_t fresh_key();
  void respond(const config::Respond& answer);
  void redirect(const config::Redirect& elsewhere);
  void answer_as_last();
  bool may_be_repeated(const policy::RetryRule& rule) const;
  bool upgrade_allowed() const;
  bool make_plan();
  bool shed();
  bool rate_limited();
  bool inject_fault();
  void end_delay();
  bool abort_on_purpose();
  bool admit();
  void leave_line();
  void on_turn();
  void refused_by_route();
  void start_try();
  void start_hedge();
  void refused_try(TryKind kind, const Refusal& refusal);
  void start_mirror(const TryRequest& first);
  void send_mirror();
  void apply(const policy::AttemptPlan::Action& action);
  void give_up(Lane& lane, policy::TryOutcome outcome);
  void give_up_all(policy::TryOutcome outcome, const Lane* but = nullptr);
  void relay(Lane& lane, const http::ResponseHead& head, const policy::TryEnd& end);
  void enter_tunnel();
  void fail(FailureKind kind, Refusal refusal = {});
  void fail(policy::AttemptPlan::Why why);
  void finish(bool complete);

  // The tries' events.
  void on_try_started(Lane& lane, std::uint32_t endpoint);
  void on_try_refused(Lane& lane, const Refusal& refusal);
  void on_try_ready(Lane& lane);
  void on_try_failed(Lane& lane, const policy::TryEnd& end);
  void on_try_head(Lane& lane, const http::ResponseHead& head, const policy::TryEnd& end);
  void on_try_body(std::string_view bytes);
  void on_try_end(Lane& lane, const http::Headers* trailers);
  void on_try_broken(Lane& lane);
  void on_try_read_done(Lane& lane);
  void on_try_writable();

  // The route's fallback.
  bool falls_back(FailureKind kind) const;
  bool falls_back(const policy::TryEnd& end) const;
  bool start_fallback(const Fallback& instead_of);
  void answer_fallback(FailureKind kind, std::string_view reason);
  void relay_or_fall_back(Lane& lane, const http::ResponseHead& head, const policy::TryEnd& end);

  // What the plan asks of the cluster.
  bool other_endpoint_usable() override;
  Answer grant_retry(bool costs_budget, bool elsewhere, TimePoint now) override;

  TimePoint now() { return scope_->scheduler->now(); }
  void arm(TimePoint at);
  bool over_body_limit(std::uint64_t bytes) const;
  std::uint64_t most_kept() const;  // of a body, for another try
  void keep(std::string_view bytes);
  bool needless_once_sent();
  void settle_unkept();
  Lane& free_lane();
  std::span<Lane> begun_lanes() { return {lanes_.data(), lanes_begun_}; }
  void pick_main();
  std::uint32_t index_of(const Lane& lane) const {
    return static_cast<std::uint32_t>(&lane - lanes_.data());
  }
  std::optional<std::uint64_t> hash_for(std::uint32_t upstream);
  StartResult begin_try(Lane& lane, TryKind kind);
  void tell_deadline(Lane& lane);
  TryRecord& record_of(const Lane& lane) { return record_.tries[lane.record]; }
  void note_end(const policy::TryEnd& end);
  void end_try_record(const Lane& lane, const policy::TryEnd& end);
  std::optional<Duration> hedge_delay();
  std::optional<Duration> retry_after(const http::ResponseHead& head) const;
  void settle_route(const policy::TryEnd& end);
  http::RequestAdditions additions() const;
  std::string_view upstream_name() const;  // of the one that is asked now
  std::span<const std::uint32_t> tried() const { return {tried_.data(), tried_count_}; }

  // With many under way each begins with cold data: what every request uses lies together, and what
  // few do at the end.
  Scope* scope_ = nullptr;
  const ListenerRoutes* listener_ = nullptr;
  const Route* route_ = nullptr;
  Upstream* upstream_ = nullptr;
  Caller* caller_ = nullptr;
  Lane* main_ = nullptr;  // takes the request's body, and gives the response's
  const http::Headers* trailers_ = nullptr;
  Mirror* mirror_ = nullptr;  // while its body is still coming

  std::optional<policy::AttemptPlan> plan_;
  Turn turn_;
  policy::TryEnd last_end_;  // of the newest try
  TimePoint armed_at_ = kNever;
  policy::InjectedFault fault_;
  TimePoint delayed_until_ = kNever;  // by a fault
  TimePoint first_try_at_{};
  TimePoint complete_at_ = kNever;  // the request's last byte had arrived

  std::uint32_t received_attempt_ = 0;
  std::uint8_t tried_count_ = 0;
  std::uint8_t lanes_begun_ = 0;  // of lanes_: the others have no try, and need not be looked at

  bool active_ = false;
  bool request_complete_ = false;
  bool body_replayable_ = true;  // every byte sent so far is in kept_body_, or has been let go
  bool body_let_go_ = false;     // nobody else could have taken it
  bool body_paused_ = false;
  bool response_paused_ = false;
  bool head_sent_ = false;
  bool continue_sent_ = false;
  bool tunnelled_ = false;
  bool route_settled_ = false;
  bool upgrade_allowed_ = false;
  bool in_line_ = false;
  bool was_in_line_ = false;
  bool repeatable_ = false;
  bool maybe_processed_ = false;         // a try may have reached an application
  bool next_fresh_ = false;              // the next try takes a new connection
  std::uint32_t hashed_for_ = kNoIndex;  // the upstream that hash_ is for

  KeptBytes kept_body_;      // for another try, or until the first one can take it
  std::string_view unkept_;  // of this read: needless where the request has left at its end
  BufferCharge kept_charge_;
  std::string head_block_;
  http::RequestHead head_;
  std::string_view request_id_;
  char request_id_text_[32];

  ExchangeRecord record_;
  std::array<std::uint32_t, kMaxTries> tried_;
  std::array<Lane, policy::kMaxLanes> lanes_;

  std::optional<Fallback> fallback_;
  std::optional<std::uint64_t> fresh_key_;
  std::uint64_t hash_ = 0;
  std::array<std::string, 2> set_cookies_;  // where there is a fresh key
  std::string addresses_;                   // the record's, where Scope::detailed
  std::pair<std::string, std::string> location_{"Location", ""};  // of a redirect
};

}  // namespace outrigger::exchange
