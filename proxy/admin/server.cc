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
  return text_reply(status, std::move(body));
}

bool is_read(std::string_view method) {
  return method == "GET" || method == "HEAD";
}

}  // namespace

Reply text_reply(int status, std::string body) {
  return {.status = status, .body = std::move(body) + "\n", .content_type = "text/plain"};
}

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
    if (answered_) return;  // more than was asked for: read and dropped
    received_.append(bytes);
    if (head_length_ == 0 && !find_head()) return;
    http::RequestHead request;
    const auto error = http::parse_request(
        std::string_view(received_).substr(0, head_length_),
        {.max_head_bytes = kMaxHeadBytes, .max_headers = 64, .max_uri_bytes = 4096}, request);
    if (error != http::HeadError::None) return send(text(400, "malformed request"), false);
    if (request.framing == http::Framing::Chunked) {
      return send(text(411, "a body needs a Content-Length here"), false);
    }
    if (request.content_length > kMaxBodyBytes) {
      return send(text(413, "the body is too large"), request.is_head);
    }
    const auto body = std::string_view(received_).substr(head_length_);
    if (body.size() < request.content_length) return;
    send(server_.answer(request, body.substr(0, request.content_length)), request.is_head);
  }

  bool find_head() {
    using Kind = http::HeadScanner::Outcome::Kind;
    const auto outcome = scanner_.scan(received_, kMaxHeadBytes);
    if (outcome.kind == Kind::Error) send(text(400, "malformed request"), false);
    if (outcome.kind == Kind::NeedMore || outcome.kind == Kind::Error) return false;
    head_length_ = outcome.length;
    return true;
  }

  void send(const Reply& reply, bool head_only) {
    answered_ = true;
    std::vector<std::pair<std::string, std::string>> headers;
    if (!reply.allow.empty()) headers.emplace_back("Allow", reply.allow);
    http::OutBuffer out;
    http::write_local_response(out, {.status = reply.status,
                                     .body = reply.body,
                                     .content_type = reply.content_type,
                                     .close = true,
                                     .head_only = head_only,
                                     .headers = headers});
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
  std::string received_;
  std::size_t head_length_ = 0;  // 0: not complete
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

Reply Server::answer(const http::RequestHead& head, std::string_view body) {
  const auto path = segments_of(head.path);
  const std::string_view methods = path ? methods_of(*path) : "";
  const Verdict verdict = rules_.judge(head);
  if (verdict.status != 200) {
    Reply refused = text(verdict.status, std::string(verdict.text));
    if (verdict.status == 405) refused.allow = methods;
    return refused;
  }
  if (methods.empty()) return text(404, "not found");
  if (!names_method(methods, head.method)) {
    Reply refused = text(405, "here only " + std::string(methods));
    refused.allow = methods;
    return refused;
  }
  if (is_read(head.method)) return show(head.path, head.query());
  if (serves_ == Serves::MetricsOnly) return text(404, "not found");
  return change(head.method, *path, body);
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
  static constexpr std::string_view kSince = "since=";
  std::uint64_t since = 0;
  if (!query.empty()) {
    const auto digits = query.starts_with(kSince) ? query.substr(kSince.size()) : "";
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), since);
    if (error != std::errc{} || end != digits.data() + digits.size()) {
      return text(400, "the only query here is ?since=SEQUENCE, a number");
    }
  }
  return {.body = control_.events_json(since)};
}

// `path` is one of those that take `method`.
Reply Server::change(std::string_view method, const Segments& path, std::string_view body) {
  const std::string& what = path[0];
  if (what == "reload") return reload();
  if (what == "drain" && method == "DELETE") return cancel_drain();
  if (what == "drain") {
    control_.drain();
    return text(202, "draining");
  }
  if (what == "quit") {
    control_.quit();
    return text(202, "quitting");
  }
  if (what == "log-level") return control_.set_log_level(path[1]);
  if (what == "faults" && method == "DELETE") return control_.remove_fault(path[1]);
  if (what == "faults") return control_.set_fault(path[1], body);
  if (what == "upstreams") {
    const bool ejects = path[4] == "eject";
    return ejects ? control_.eject(path[1], path[3]) : control_.restore(path[1], path[3]);
  }
  using ByHand = policy::CircuitByHand;
  const auto scope = path[1] == "route" ? Control::Scope::Route : Control::Scope::Upstream;
  const ByHand by_hand = path[3] == "open"    ? ByHand::Open
                         : path[3] == "close" ? ByHand::Closed
                                              : ByHand::Auto;
  return control_.set_breaker(scope, path[2], by_hand);
}

Reply Server::reload() {
  std::string report;
  const bool done = control_.reload(report);
  return text(done ? 200 : 422, report);
}

Reply Server::cancel_drain() {
  return control_.cancel_drain() ? text(200, "serving") : text(409, "listeners are closed already");
}

}  // namespace outrigger::admin
