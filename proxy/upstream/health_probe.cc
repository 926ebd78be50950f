#include "proxy/upstream/health_probe.h"

#include <algorithm>

#include "proxy/http/parser.h"

namespace outrigger::upstream {

using policy::CheckOutcome;

std::string health_request(const config::HttpHealthCheck& settings,
                           const net::Address& configured) {
  const bool at_socket = configured.kind() == net::Address::Kind::Unix;
  const auto host = settings.host.value_or(at_socket ? "localhost" : configured.to_string());
  std::string agent = "outrigger-health-check";
  std::string others;
  for (const auto& [name, value] : settings.headers) {
    if (http::equals_ignore_case(name, "user-agent")) {
      agent = value;
    } else {
      others += name + ": " + value + "\r\n";
    }
  }
  return "GET " + settings.path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: " + agent +
         "\r\n" + others + "Connection: close\r\n\r\n";
}

HealthProbe::HealthProbe(net::Loop& loop, const net::Address& address,
                         const config::HealthCheck& settings, const std::string& request,
                         HealthProbeEvents& events)
    : settings_(settings), request_(request), events_(events), timer_(loop, *this) {
  net::ConnectorEvents& connecting = *this;
  connector_ = std::make_unique<net::Connector>(loop, address, connecting);
  timer_.arm(saturating_add(loop.now(), settings.timeout));
}

HealthProbe::~HealthProbe() = default;

void HealthProbe::on_connected(std::unique_ptr<net::Stream> stream) {
  connector_.reset();
  stream_ = std::move(stream);
  if (request_.empty()) return end(CheckOutcome::Success);
  stream_->set_events(this);
  stream_->start_reading();
  stream_->write(request_);
}

void HealthProbe::on_connect_failed(int uv_error) {
  end(net::is_out_of_resources(uv_error) ? CheckOutcome::OutOfResources
                                         : CheckOutcome::ConnectFailure);
}

void HealthProbe::on_read(std::string_view bytes) {
  head_.append(bytes.substr(0, kMaxHeadBytes + 1 - std::min(head_.size(), kMaxHeadBytes)));
  read_head();
}

// Informational heads are passed over.
void HealthProbe::read_head() {
  using Kind = http::HeadScanner::Outcome::Kind;
  while (true) {
    const auto found = scanner_.scan(head_, kMaxHeadBytes);
    if (found.kind == Kind::NeedMore) return;
    if (found.kind == Kind::Error) return end(CheckOutcome::BadResponse);
    http::ResponseHead head;
    const auto error = http::parse_response(std::string_view(head_).substr(0, found.length), {},
                                            kMaxHeaders, head);
    if (error != http::HeadError::None) return end(CheckOutcome::BadResponse);
    if (!head.informational()) return judge(head.status);
    if (++informational_ > kMaxInformational) return end(CheckOutcome::BadResponse);
    head_.erase(0, found.length);
    scanner_.reset();
  }
}

void HealthProbe::judge(int status) {
  const bool expected = std::ranges::any_of(settings_.http->expect, [&](const auto& range) {
    return range.first <= status && status <= range.last;
  });
  end(expected ? CheckOutcome::Success : CheckOutcome::Status, status);
}

void HealthProbe::on_eof() {
  end(CheckOutcome::Closed);
}

void HealthProbe::on_error(int) {
  end(CheckOutcome::Closed);
}

void HealthProbe::on_timer(net::Timer&) {
  end(CheckOutcome::Timeout);
}

void HealthProbe::end(CheckOutcome outcome, int status) {
  timer_.disarm();
  connector_.reset();
  const bool answered = outcome == CheckOutcome::Success || outcome == CheckOutcome::Status;
  if (stream_ && answered && !request_.empty()) stream_->close_when_drained(kLinger);
  stream_.reset();
  events_.on_checked(*this, {.outcome = outcome, .status = status});
}

}  // namespace outrigger::upstream
