#include "proxy/simulation/network.h"

#include <utility>

#include "proxy/base/check.h"

namespace outrigger::simulation {

using upstream::Connection;

class SimulatedConnection final : public Connection, private exchange::Task, private Asker {
 public:
  SimulatedConnection(Network& network, upstream::EndpointPtr endpoint, std::uint32_t slot,
                      Duration timeout)
      : Connection(endpoint, slot),
        network_(network),
        server_(network.server(endpoint->address)),
        id_(++network.last_id_) {
    network_.alive_[id_] = this;
    const auto outcome = server_.connect();
    if (outcome == Server::Connect::Silent) {
      later(timeout, [this] { fail_connect(upstream::ConnectFailure::TimedOut); });
      return;
    }
    const Duration round_trip = std::chrono::microseconds(200 + network_.random_.below(800));
    later(round_trip, [this, outcome] {
      if (outcome == Server::Connect::Refused)
        return fail_connect(upstream::ConnectFailure::Refused);
      connected_ = true;
      user_->on_connected();
    });
  }
  ~SimulatedConnection() override = default;

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

  void send_head(const http::RequestHead& head, const http::RequestAdditions& add, bool) override {
    INVARIANT(connected_ && user_ && !busy_);
    ++exchanges;
    busy_ = true;
    sent_ = true;
    received_ = reusable_ = request_complete_ = false;
    unsent_ = head.framing == http::Framing::Length ? head.content_length : 0;
    counts_ = head.framing == http::Framing::Length;
    question_ = {.method = std::string(head.method),
                 .attempt = add.attempt,
                 .timeout_ms = add.has_timeout ? add.timeout_ms : 0};
    ++network_.requests_now_;
    if (peer_closed_) later(std::chrono::microseconds(100), [this] { lose(false); });
  }
  void send_body(std::string_view bytes) override {
    INVARIANT(busy_ || bytes.empty());
    INVARIANT(!counts_ || bytes.size() <= unsent_);
    if (counts_) unsent_ -= bytes.size();
  }
  void send_end(const http::Headers*) override {
    INVARIANT(unsent_ == 0);
    request_complete_ = true;
    if (!peer_closed_) job_ = server_.ask(std::move(question_), *this);
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
    const double chance = network_.manners_.idle_close_percent;
    if (chance == 0 || network_.random_.unit() * 100 >= chance) return;
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

  // Happens unless the connection has gone or changed hands by then.
  void later(Duration wait, std::function<void()> what) {
    network_.time_.after(wait,
                         [&network = network_, id = id_, turn = turn_, what = std::move(what)] {
                           const auto at = network.alive_.find(id);
                           if (at != network.alive_.end() && at->second->turn_ == turn) what();
                         });
  }

  void fail_connect(upstream::ConnectFailure why) {
    std::exchange(user_, nullptr)->on_connect_failed(why);
  }

  void on_answer(const Answer& answer) override {
    job_ = 0;
    breaks_ = answer.breaks;
    if (answer.status == 0) return lose(false);
    received_ = true;
    http::ResponseHead head;
    head.status = answer.status;
    head.framing = http::Framing::Length;
    head.content_length = sizeof(kBody);
    const std::string retry_after = std::to_string(answer.retry_after_s);
    if (!answer.retry_mark.empty()) head.headers.add("x-outrigger-retry", answer.retry_mark);
    if (answer.retry_after_s > 0) head.headers.add("retry-after", retry_after);
    give(head);
  }

  void give(const http::ResponseHead& head) {
    const auto turn = turn_;
    const auto longest = network_.manners_.body_time;
    if (longest > Duration{}) {
      const double share = network_.random_.unit();
      const auto wait = static_cast<Duration::rep>(share * static_cast<double>(longest.count()));
      later(Duration(wait), [this] { give_body(); });
    }
    user_->on_response_head(head);
    if (turn != turn_ || !user_) return;
    if (longest == Duration{}) give_body();
    if (turn == turn_ && user_) user_->on_read_done();
  }

  void give_body() {
    if (paused_) {
      held_back_ = true;
      return;
    }
    if (breaks_) return lose(false);
    const auto turn = turn_;
    user_->on_response_body({kBody, sizeof(kBody)});
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
    if (job_ != 0) server_.forget(std::exchange(job_, 0));
  }

  static constexpr char kBody[100] = {};

  Network& network_;
  Server& server_;
  std::uint64_t id_;
  std::uint64_t turn_ = 0;  // of hands: what was planned for an earlier one does not happen
  std::uint64_t job_ = 0;   // at the server; 0: none
  upstream::ConnectionUser* user_ = nullptr;
  upstream::ConnectionKeeper* keeper_ = nullptr;
  Question question_;
  std::uint64_t unsent_ = 0;  // of a request body with a length
  bool counts_ = false;       // it has one
  bool connected_ = false;
  bool busy_ = false;
  bool sent_ = false;
  bool received_ = false;
  bool reusable_ = false;
  bool request_complete_ = false;
  bool peer_closed_ = false;
  bool paused_ = false;
  bool held_back_ = false;
  bool breaks_ = false;
};

Network::~Network() {
  INVARIANT(alive_.empty());
}

Server& Network::server(const std::string& address) {
  auto& server = servers_[address];
  if (!server) server = std::make_unique<Server>(time_, random_.next());
  return *server;
}

upstream::ConnectionPtr Network::connect(upstream::EndpointPtr endpoint, std::uint32_t slot,
                                         Duration timeout) {
  return upstream::ConnectionPtr(
      new SimulatedConnection(*this, std::move(endpoint), slot, timeout));
}

}  // namespace outrigger::simulation
