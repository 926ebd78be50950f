// One try at one endpoint: admission, connection, request, response, and what it came to.
//
// Pooled per cluster and worker. It settles its ticket once (the verdict, at the response head
// or the failure) and finishes it once (its places come back). After an event to its exchange it
// touches nothing of its own: the exchange may have ended it there.
#pragma once

#include "proxy/exchange/ports.h"
#include "proxy/upstream/cluster_state.h"
#include "proxy/upstream/connection.h"

namespace outrigger::upstream {

class Cluster;

class Attempt final : public exchange::Attempt, private ConnectionUser, private Waiter {
 public:
  explicit Attempt(Cluster& cluster);
  ~Attempt() override;

  exchange::Start start(const exchange::TryRequest& request, exchange::AttemptEvents& events);
  const Refusal& refusal_of_start() const { return Waiter::refusal; }

  void send_body(std::string_view bytes) override;
  void send_end(const http::Headers* trailers) override;
  bool flush() override;
  void pause_response() override;
  void resume_response() override;
  bool connected() const override;
  bool any_sent() const override { return connection_->any_sent(); }
  std::uint32_t endpoint() const override { return ticket.slot; }
  std::string_view address() const override { return ticket.endpoint->address; }
  void end(policy::TryOutcome outcome) override;

 private:
  static constexpr int kMaxChoices = 3;
  enum class State : std::uint8_t {
    Idle,
    Waiting,   // for its place
    Awaiting,  // has its place, and waits until another connection may be opened
    Connecting,
    Sent,
    Responding,
    Tunnel,
    Over
  };

  void release() override;
  void run() override;  // what it waited for has come
  void connect_awaited();
  bool obtain_somewhere();
  bool obtain_connection();
  void use(ConnectionPtr connection);
  void send_request();

  void on_connected() override;
  void on_connect_failed(ConnectFailure why) override;
  void on_response_head(const http::ResponseHead& head) override;
  void on_response_body(std::string_view bytes) override;
  void on_response_end(const http::Headers* trailers) override;
  void on_read_done() override;
  void on_connection_lost(bool bad_response) override;
  void on_connection_writable() override;

  Duration time_taken() const;
  void settle(const policy::TryEnd& try_end);
  void finish(bool connection_stays);
  void fail(const policy::TryEnd& try_end);
  void enter_tunnel();
  policy::TryEnd judge(const http::ResponseHead& head) const;

  Cluster& cluster_;
  exchange::AttemptEvents* events_ = nullptr;
  const exchange::TryRequest* request_ = nullptr;
  ConnectionPtr connection_;
  State state_ = State::Idle;
  TimePoint started_{};
  Duration time_to_head_{};
};

}  // namespace outrigger::upstream
