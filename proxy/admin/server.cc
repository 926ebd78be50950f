#include "proxy/admin/server.h"

#include <algorithm>
#include <charconv>

#include "proxy/admin/pages.h"
#include "proxy/http/head_scanner.h"
#include "proxy/http/parser.h"
#include "proxy/http/writer.h"
#include "proxy/net/timer.h"

namespace outrigger::admin {
namespace {

constexpr Duration kLinger = std::chrono::seconds(1);

Reply text(int status, std::string body) {
  return {.status = status, .body = std::move(body) + "\n", .content_type = "text/plain"};
}

}  // namespace

class Server::Connection final : public net::Retirable,
                                 private net::StreamEvents,
                                 private net::TimerEvents {
 public:
  Connection(Server& server, std::unique_ptr<net::Stream> stream)
      : server_(server), stream_(std::move(stream)), timer_(server.loop_, *this) {
    stream_->set_events(this);
    stream_->start_reading();
    timer_.arm(server.loop_.now() + kTimeout);
  }

 private:
  void on_read(std::string_view bytes) override {
    using Kind = http::HeadScanner::Outcome::Kind;
    if (answered_) return;  // a body, or more than was asked for: read and dropped
    head_.append(bytes);
    const auto outcome = scanner_.scan(head_, kMaxHeadBytes);
    if (outcome.kind == Kind::NeedMore) return;
    if (outcome.kind == Kind::Error) return send(text(400, "malformed request"), false);
    http::RequestHead request;
    const auto error = http::parse_request(
        std::string_view(head_).substr(0, outcome.length),
        {.max_head_bytes = kMaxHeadBytes, .max_headers = 64, .max_uri_bytes = 4096}, request);
    if (error != http::HeadError::None) return send(text(400, "malformed request"), false);
    send(server_.answer(request), request.is_head);
  }

  void send(const Reply& reply, bool head_only) {
    answered_ = true;
    http::OutBuffer out;
    http::write_local_response(out, {.status = reply.status,
                                     .body = reply.body,
                                     .content_type = reply.content_type,
                                     .close = true,
                                     .head_only = head_only});
    stream_->write(out.view());
    stream_->close_when_drained(kLinger);
    server_.remove(*this);
  }

  void on_eof() override { server_.remove(*this); }
  void on_error(int) override { server_.remove(*this); }
  void on_writable() override {}
  void on_timer(net::Timer&) override { server_.remove(*this); }

  Server& server_;
  std::unique_ptr<net::Stream> stream_;
  net::Timer timer_;
  http::HeadScanner scanner_;
  std::string head_;
  bool answered_ = false;
};

Server::Server(net::Loop& loop, net::BoundSocket socket, Rules rules, Control& control,
               Serves serves)
    : loop_(loop),
      rules_(std::move(rules)),
      control_(control),
      serves_(serves),
      socket_(loop, std::move(socket), *this) {
  socket_.start();
}

Server::~Server() = default;

void Server::on_accept(std::unique_ptr<net::Stream> stream) {
  if (connections_.size() >= kMaxConnections) return;  // closed unanswered
  connections_.push_back(std::make_unique<Connection>(*this, std::move(stream)));
}

void Server::remove(Connection& connection) {
  const auto at = std::ranges::find(connections_, &connection, &std::unique_ptr<Connection>::get);
  if (at == connections_.end()) return;
  std::unique_ptr<Connection> gone = std::move(*at);
  connections_.erase(at);
  loop_.retire(std::move(gone));
}

Reply Server::answer(const http::RequestHead& head) {
  const Verdict verdict = rules_.judge(head);
  if (verdict.status != 200) return text(verdict.status, std::string(verdict.text));
  const bool reads = head.method == "GET" || head.method == "HEAD";
  const std::string_view query = head.target.substr(std::min(head.path.size(), head.target.size()));
  return reads ? show(head.path, query) : change(head.method, head.path);
}

Reply Server::show(std::string_view path, std::string_view query) {
  if (path == "/metrics") {
    return {.body = control_.metrics_text(),
            .content_type = "text/plain; version=0.0.4; charset=utf-8"};
  }
  if (path == "/healthz") return text(200, "alive");
  if (path == "/readyz") {
    return control_.alive_and_ready() ? text(200, "ready") : text(503, "not ready");
  }
  if (serves_ == Serves::MetricsOnly) return text(404, "not found");
  if (path == "/") {
    return {.body = std::string(dashboard_html()), .content_type = "text/html; charset=utf-8"};
  }
  if (path == "/config") return {.body = control_.config_json()};
  if (path == "/routes") return {.body = control_.routes_json()};
  if (path == "/upstreams") return {.body = control_.upstreams_json()};
  if (path == "/events") return show_events(query);
  return text(404, "not found");
}

// All of them, or with ?since=NUMBER what came after that one.
Reply Server::show_events(std::string_view query) {
  static constexpr std::string_view kSince = "?since=";
  std::uint64_t since = 0;
  if (!query.empty() && query != "?") {
    const auto digits = query.starts_with(kSince) ? query.substr(kSince.size()) : "";
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), since);
    if (error != std::errc{} || end != digits.data() + digits.size()) {
      return text(400, "the only query here is ?since=SEQUENCE, a number");
    }
  }
  return {.body = control_.events_json(since)};
}

Reply Server::change(std::string_view method, std::string_view path) {
  if (serves_ == Serves::MetricsOnly) return text(404, "not found");
  if (method == "POST" && path == "/reload") {
    std::string report;
    const bool done = control_.reload(report);
    return text(done ? 200 : 422, report);
  }
  if (method == "POST" && path == "/drain") {
    control_.drain();
    return text(202, "draining");
  }
  if (method == "DELETE" && path == "/drain") {
    return control_.cancel_drain() ? text(200, "serving")
                                   : text(409, "listeners are closed already");
  }
  if (method == "POST" && path == "/quit") {
    control_.quit();
    return text(202, "quitting");
  }
  return text(404, "not found");
}

}  // namespace outrigger::admin
