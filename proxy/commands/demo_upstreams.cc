#include "proxy/commands/demo_upstreams.h"

#include <algorithm>

#include "proxy/base/check.h"
#include "proxy/http/head_scanner.h"
#include "proxy/net/timer.h"

namespace outrigger::commands {
namespace {

constexpr std::size_t kMaxHead = 16 * 1024;
constexpr std::string_view kGood = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
constexpr std::string_view kBad =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nsick\n";

}  // namespace

class DemoUpstream::Connection final : public net::Retirable,
                                       private net::StreamEvents,
                                       private net::TimerEvents {
 public:
  Connection(DemoUpstream& owner, std::unique_ptr<net::Stream> stream)
      : owner_(owner), stream_(std::move(stream)), dawdle_(owner.loop_, *this) {
    stream_->set_events(this);
    stream_->start_reading();
  }

 private:
  void on_read(std::string_view bytes) override {
    head_.append(bytes);
    const auto outcome = scanner_.scan(head_, kMaxHead);
    if (outcome.kind == http::HeadScanner::Outcome::Kind::NeedMore) return;
    if (outcome.kind == http::HeadScanner::Outcome::Kind::Error) return owner_.remove(*this);
    head_.erase(0, outcome.length);
    scanner_.reset();
    switch (owner_.next()) {
      case Doing::Answer:
        stream_->write(kGood);
        return;
      case Doing::Fail:
        stream_->write(kBad);
        return;
      case Doing::Reset:
        stream_->reset();
        return owner_.remove(*this);
      case Doing::Dawdle:
        dawdle_.arm(owner_.loop_.now() +
                    std::chrono::milliseconds(400 + owner_.random_.below(1100)));
    }
  }
  void on_eof() override { owner_.remove(*this); }
  void on_error(int) override { owner_.remove(*this); }
  void on_writable() override {}
  void on_timer(net::Timer&) override { stream_->write(kGood); }

  DemoUpstream& owner_;
  std::unique_ptr<net::Stream> stream_;
  net::Timer dawdle_;
  http::HeadScanner scanner_;
  std::string head_;
};

DemoUpstream::DemoUpstream(net::Loop& loop, Temper temper, std::uint64_t seed)
    : loop_(loop), temper_(temper), random_(seed), started_(loop.now()) {
  auto socket = net::BoundSocket::bind(net::Address::parse("127.0.0.1:0").value());
  INVARIANT(socket);  // a free port of the loopback
  net::ListenerEvents& events = *this;
  listener_ = std::make_unique<net::Listener>(loop, std::move(socket.value()), events);
  listener_->start();
}

DemoUpstream::~DemoUpstream() = default;

bool DemoUpstream::in_outage() {
  if (temper_.outage_every == Duration{}) return false;
  return (loop_.now() - started_) % temper_.outage_every >
         temper_.outage_every - temper_.outage_for;
}

DemoUpstream::Doing DemoUpstream::next() {
  if (in_outage()) return Doing::Reset;
  const double chance = random_.unit();
  if (chance < temper_.error_share) return Doing::Fail;
  if (chance < temper_.error_share + temper_.reset_share) return Doing::Reset;
  const double bad = temper_.error_share + temper_.reset_share;
  return chance < bad + temper_.slow_share ? Doing::Dawdle : Doing::Answer;
}

void DemoUpstream::on_accept(std::unique_ptr<net::Stream> stream) {
  if (connections_.size() >= kMaxConnections) return;
  connections_.push_back(std::make_unique<Connection>(*this, std::move(stream)));
}

void DemoUpstream::remove(Connection& connection) {
  const auto at = std::ranges::find(connections_, &connection, &std::unique_ptr<Connection>::get);
  if (at == connections_.end()) return;
  std::unique_ptr<Connection> gone = std::move(*at);
  connections_.erase(at);
  loop_.retire(std::move(gone));
}

}  // namespace outrigger::commands
