#include "proxy/simulation/network.h"

#include <utility>

#include "proxy/base/check.h"

namespace outrigger::simulation {

using upstream::Connection;

class FakeConnection final : public Connection, private exchange::Task {
 public:
  FakeConnection(Network& network, upstream::EndpointPtr endpoint, std::uint32_t slot,
                 Duration timeout)
      : Connection(std::move(endpoint), slot), network_(network), id_(++network.last_id_) {
    network_.alive_[id_] = this;
    network_.most_connections_ =
        std::max(network_.most_connections_, static_cast<std::uint32_t>(network_.alive_.size()));
    const Behaviour& now = behaviour();
    if (now.black_hole) {
      later(timeout, [this] { fail_connect(true); });
      return;
    }
    const Duration round_trip = std::chrono::microseconds(200 + network_.random_.below(800));
    later(round_trip, [this] {
      if (behaviour().refuses) return fail_connect(false);
      connected_ = true;
      user_->on_connected();
    });
  }
  ~FakeConnection() override = default;

  void retire() override {
    end_request();
    network_.alive_.erase(id_);
    user_ = nullptr;
    keeper_ = nullptr;
    network_.time_.soon(*this);
  }

  void attach(upstream::ConnectionUser& user) override {
    user_ = &user;
    if (std::exchange(keeper_, nullptr)) ++turn_;  // a new one goes on connecting
  }
  bool connected() const override { return connected_; }

  void send_head(const http::RequestHead& head, const http::RequestAdditions&) override {
    INVARIANT(connected_ && user_ && !busy_);
    ++exchanges;
    busy_ = true;
    sent_ = true;
    received_ = reusable_ = request_complete_ = head_given_ = false;
    to_head_ = head.is_head;
    ++network_.requests_;
    ++network_.requests_now_;
    network_.most_requests_ = std::max(network_.most_requests_, network_.requests_now_);
    if (peer_closed_) later(std::chrono::microseconds(100), [this] { lose(false); });
  }
  void send_body(std::string_view bytes) override { INVARIANT(busy_ || bytes.empty()); }
  void send_end(const http::Headers*) override {
    request_complete_ = true;
    if (!peer_closed_) answer();
  }
  bool flush() override { return true; }
  void pause() override { paused_ = true; }
  void resume() override {
    paused_ = false;
    if (std::exchange(held_back_, false)) later(Duration{}, [this] { give_body(); });
  }

  bool any_sent() const override { return sent_; }
  bool any_received() const override { return received_; }
  bool reusable() const override { return reusable_ && !peer_closed_; }

  void park(upstream::ConnectionKeeper& keeper, TimePoint until) override {
    keeper_ = &keeper;
    user_ = nullptr;
    ++turn_;
    later(until - network_.time_.now(), [this] { keeper_->on_idle_over(*this); });
    // Some servers close idle connections first, and now and then nobody notices in time.
    if (network_.random_.below(20) != 0) return;
    later(std::chrono::milliseconds(network_.random_.below(3000)), [this] {
      if (network_.random_.below(2) == 0) return keeper_->on_idle_over(*this);
      peer_closed_ = true;
    });
  }
  void drain(upstream::ConnectionKeeper& keeper) override {
    keeper_ = &keeper;
    user_ = nullptr;
    ++turn_;
    later(std::chrono::milliseconds(1), [this] {
      end_request();
      reusable_ = request_complete_;
      std::exchange(keeper_, nullptr)->on_drained(*this);
    });
  }
  void close_gracefully() override {}
  Bytes bytes() const override { return {}; }

 private:
  void run() override { delete this; }

  const Behaviour& behaviour() { return network_.behaviour(endpoint()->address); }

  // Happens unless the connection has gone or changed hands by then.
  void later(Duration wait, std::function<void()> what) {
    network_.time_.after(wait, [&network = network_, id = id_, turn = turn_, what] {
      const auto at = network.alive_.find(id);
      if (at != network.alive_.end() && at->second->turn_ == turn) what();
    });
  }

  void fail_connect(bool timed_out) { std::exchange(user_, nullptr)->on_connect_failed(timed_out); }

  void answer() {
    const Behaviour now = behaviour();
    if (now.black_hole) return;
    const double chance = network_.random_.unit();
    const Duration wait(static_cast<Duration::rep>(static_cast<double>(now.latency.count()) *
                                                   (0.5 + network_.random_.unit())));
    if (chance < now.reset_share) return later(wait, [this] { lose(false); });
    breaks_ = network_.random_.unit() < now.break_share;
    elsewhere_ = network_.random_.unit() < now.elsewhere_share;
    const bool error = elsewhere_ || network_.random_.unit() < now.error_share;
    later(wait, [this, error] { give_head(error ? 503 : 200); });
  }

  void give_head(int status) {
    received_ = head_given_ = true;
    http::ResponseHead head;
    head.status = status;
    head.framing = http::Framing::Length;
    head.content_length = 100;
    if (elsewhere_) head.headers.add("x-outrigger-retry", "elsewhere");
    const auto turn = turn_;
    later(std::chrono::microseconds(network_.random_.below(2000)), [this] { give_body(); });
    user_->on_response_head(head);
    if (turn == turn_ && user_) user_->on_read_done();
  }

  void give_body() {
    if (paused_) {
      held_back_ = true;
      return;
    }
    if (breaks_) return lose(false);
    static constexpr char kBytes[100] = {};
    const auto turn = turn_;
    user_->on_response_body({kBytes, sizeof(kBytes)});
    if (turn != turn_ || !user_) return;
    end_request();
    reusable_ = request_complete_;
    ++turn_;
    std::exchange(user_, nullptr)->on_response_end(nullptr);
  }

  void lose(bool bad) {
    end_request();
    ++turn_;
    reusable_ = false;
    if (user_) std::exchange(user_, nullptr)->on_connection_lost(bad);
  }

  void end_request() {
    if (std::exchange(busy_, false)) --network_.requests_now_;
  }

  Network& network_;
  std::uint64_t id_;
  std::uint64_t turn_ = 0;  // of hands: what was planned for an earlier one does not happen
  upstream::ConnectionUser* user_ = nullptr;
  upstream::ConnectionKeeper* keeper_ = nullptr;
  bool connected_ = false;
  bool busy_ = false;
  bool sent_ = false;
  bool received_ = false;
  bool reusable_ = false;
  bool request_complete_ = false;
  bool head_given_ = false;
  bool to_head_ = false;
  bool peer_closed_ = false;
  bool paused_ = false;
  bool held_back_ = false;
  bool breaks_ = false;
  bool elsewhere_ = false;
};

Network::~Network() {
  INVARIANT(alive_.empty());
}

upstream::ConnectionPtr Network::connect(upstream::EndpointPtr endpoint, std::uint32_t slot,
                                         Duration timeout) {
  return upstream::ConnectionPtr(new FakeConnection(*this, std::move(endpoint), slot, timeout));
}

}  // namespace outrigger::simulation
