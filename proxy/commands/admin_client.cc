#include "proxy/commands/admin_client.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "proxy/http/body_reader.h"
#include "proxy/http/parser.h"
#include "proxy/net/connector.h"
#include "proxy/net/stream.h"
#include "proxy/net/timer.h"

namespace outrigger::commands {
namespace {

// As the daemon listens: localhost is the IPv4 loopback.
net::Address reachable(const net::Address& address) {
  if (address.kind() != net::Address::Kind::Host) return address;
  return net::Address::parse("127.0.0.1:" + std::to_string(address.port())).value();
}

NoAnswer failure(int uv_error) {
  return {.why = std::strerror(-uv_error),
          .nobody_there = uv_error == -ECONNREFUSED || uv_error == -ENOENT};
}

// One request under way. Stops the loop when it is over.
class Asking final : private net::ConnectorEvents,
                     private net::StreamEvents,
                     private net::TimerEvents {
 public:
  Asking(net::Loop& loop, const net::Address& address, const std::string& request, TimePoint until)
      : loop_(loop), request_(request), timer_(loop, *this) {
    net::ConnectorEvents& connecting = *this;
    connector_ = std::make_unique<net::Connector>(loop, address, connecting);
    timer_.arm(until);
  }

  Result<AdminAnswer, NoAnswer> end() {
    loop_.run();
    return end_;
  }

 private:
  void on_connected(std::unique_ptr<net::Stream> stream) override {
    stream_ = std::move(stream);
    stream_->set_events(this);
    stream_->start_reading();
    stream_->write(request_);
  }

  void on_connect_failed(int uv_error) override { end_with(failure(uv_error)); }

  void on_read(std::string_view bytes) override {
    if (answer_.status != 0) return read_body(bytes);
    head_.append(bytes);
    const auto found = scanner_.scan(head_, AdminClient::kMaxHeadBytes);
    using Kind = http::HeadScanner::Outcome::Kind;
    if (found.kind == Kind::NeedMore) return;
    http::ResponseHead head;
    if (found.kind == Kind::Error ||
        http::parse_response(std::string_view(head_).substr(0, found.length), {},
                             AdminClient::kMaxHeaders, head) != http::HeadError::None) {
      return end_with(NoAnswer{.why = "what answers there does not speak HTTP"});
    }
    answer_.status = head.status;
    body_.start(head.framing, head.content_length);
    read_body(std::string_view(head_).substr(found.length));
  }

  // Its first line is all that is looked at.
  void read_body(std::string_view bytes) {
    using Event = http::BodyReader::Event;
    for (std::string_view data;;) {
      const Event event = body_.next(bytes, data);
      if (event == Event::NeedMore) return;
      if (event != Event::Data) return end_with(answer_);
      const std::size_t line = std::min(data.find('\n'), data.size());
      answer_.text += data.substr(0, std::min(line, AdminClient::kMaxText - answer_.text.size()));
      if (line < data.size() || answer_.text.size() == AdminClient::kMaxText) {
        return end_with(answer_);
      }
    }
  }

  void on_eof() override {
    if (answer_.status != 0) return end_with(answer_);
    end_with(NoAnswer{.why = "the connection was closed without an answer"});
  }

  void on_error(int uv_error) override { end_with(failure(uv_error)); }
  void on_writable() override {}
  void on_timer(net::Timer&) override { loop_.stop(); }

  void end_with(Result<AdminAnswer, NoAnswer> end) {
    end_ = std::move(end);
    stream_.reset();
    loop_.stop();
  }

  net::Loop& loop_;
  const std::string& request_;
  net::Timer timer_;
  std::unique_ptr<net::Connector> connector_;
  std::unique_ptr<net::Stream> stream_;
  std::string head_;
  http::HeadScanner scanner_;
  http::BodyReader body_;
  AdminAnswer answer_;
  Result<AdminAnswer, NoAnswer> end_ = NoAnswer{.why = "no answer in time"};
};

class Pause final : private net::TimerEvents {
 public:
  Pause(net::Loop& loop, Duration duration) : loop_(loop), timer_(loop, *this) {
    timer_.arm(saturating_add(loop.now(), duration));
    loop.run();
  }

 private:
  void on_timer(net::Timer&) override { loop_.stop(); }

  net::Loop& loop_;
  net::Timer timer_;
};

}  // namespace

Result<net::Address, std::string> AdminClient::parse_address(std::string_view text) {
  auto address = net::Address::parse(text);
  if (!address || address.value().is_loopback()) return address;
  if (address.value().kind() == net::Address::Kind::Ip) return address;
  return "a name other than localhost is not resolved here: \"" + address.value().host() + '"';
}

AdminClient::AdminClient(const net::Address& address, const std::optional<std::string>& token)
    : address_(address) {
  const bool at_socket = address.kind() == net::Address::Kind::Unix;
  fields_ = "Host: " + (at_socket ? "localhost" : address.to_string()) + "\r\n" +
            (token ? "Authorization: Bearer " + *token + "\r\n" : "") +
            "X-Outrigger-Admin: 1\r\nUser-Agent: outrigger\r\nConnection: close\r\n";
}

Result<AdminAnswer, NoAnswer> AdminClient::ask(std::string_view method, std::string_view path,
                                               TimePoint until) {
  const std::string request = std::string(method) + " " + std::string(path) + " HTTP/1.1\r\n" +
                              fields_ + "Content-Length: 0\r\n\r\n";
  return Asking(loop_, reachable(address_), request, until).end();
}

void AdminClient::pause(Duration duration) {
  Pause(loop_, duration);
}

}  // namespace outrigger::commands
