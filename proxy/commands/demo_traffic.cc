#include "proxy/commands/demo_traffic.h"

#include "proxy/http/parser.h"

namespace outrigger::commands {
namespace {

constexpr std::size_t kMaxHead = 16 * 1024;

}  // namespace

DemoCaller::DemoCaller(net::Loop& loop, const std::string& proxy, Seen& seen, Duration pause,
                       std::uint64_t seed)
    : loop_(loop),
      proxy_(net::Address::parse(proxy).value()),
      seen_(seen),
      pause_(pause),
      random_(seed),
      timer_(loop, *this) {
  rest();
}

DemoCaller::~DemoCaller() = default;

void DemoCaller::rest() {
  asking_ = false;
  const double jitter = 0.5 + random_.unit();
  const auto wait = static_cast<Duration::rep>(jitter * static_cast<double>(pause_.count()));
  timer_.arm(loop_.now() + Duration(wait));
}

void DemoCaller::on_timer(net::Timer&) {
  if (stream_) return ask();
  net::ConnectorEvents& events = *this;
  connector_ = std::make_unique<net::Connector>(loop_, proxy_, events);
}

void DemoCaller::on_connected(std::unique_ptr<net::Stream> stream) {
  connector_.reset();
  stream_ = std::move(stream);
  stream_->set_events(this);
  stream_->start_reading();
  ask();
}

void DemoCaller::on_connect_failed(int) {
  connector_.reset();
  rest();  // only when the demo ends: the proxy is in this process
}

void DemoCaller::ask() {
  asking_ = true;
  answer_.clear();
  scanner_.reset();
  stream_->write("GET " + seen_.path + " HTTP/1.1\r\nHost: demo\r\n\r\n");
}

void DemoCaller::on_read(std::string_view bytes) {
  answer_.append(bytes);
  const auto outcome = scanner_.scan(answer_, kMaxHead);
  if (outcome.kind == http::HeadScanner::Outcome::Kind::NeedMore) return;
  http::ResponseHead head;
  const bool good = outcome.kind == http::HeadScanner::Outcome::Kind::Complete &&
                    http::parse_response(std::string_view(answer_).substr(0, outcome.length), {},
                                         64, head) == http::HeadError::None;
  if (!good) return lost();
  if (answer_.size() < outcome.length + head.content_length) return;
  ++(head.status < 500 ? seen_.good : seen_.failed);
  if (!head.keep_alive) stream_.reset();
  rest();
}

void DemoCaller::lost() {
  if (asking_) ++seen_.failed;
  stream_.reset();
  rest();
}

void DemoCaller::on_eof() {
  lost();
}
void DemoCaller::on_error(int) {
  lost();
}

}  // namespace outrigger::commands
