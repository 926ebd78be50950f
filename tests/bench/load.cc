// The load generator. Closed loop: each connection sends its next request as soon as its response
// is whole. Open loop (--rate): request k is due at k / rate after the start, whatever the answers
// do, and its latency counts from then; one that finds no free connection waits, and that wait is
// part of it. So a stall is felt by all who came during it, not by one.
//
// A response is right when it is a 200 from the backend with all the bytes that it ought to have;
// anything else is counted as wrong, and a lost connection as an error. All in flight are awaited
// before the report, so that whoever reads the proxy's CPU before and after finds it at rest.

#include <getopt.h>
#include <sys/prctl.h>

#include <cmath>
#include <ctime>
#include <deque>
#include <vector>

#include "tests/bench/head.h"
#include "tests/bench/histogram.h"
#include "tests/bench/pattern.h"
#include "tests/bench/sockets.h"

namespace bench {
namespace {

constexpr size_t kReadSize = 256 * 1024;
constexpr size_t kMaxHead = 64 * 1024;
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kPatience = 5 * kSecond;  // without any answer, until all in flight are given up
constexpr int64_t kLateness = kSecond / 1000;  // after this a request was not sent at its time
constexpr uint32_t kSources = 64;  // addresses of the loopback: one has too few ports for --close

constexpr const char* kUsage = R"(load --port N [option]…
  --path PATH          of the request; its last segment is the size of the body (/128)
  --expect BYTES       the size of a right response's body (128)
  --body BYTES         POST with a body of this size instead of GET
  --headers            13 realistic fields instead of Host alone
  --close              a connection for each request
  --connections N      (64)
  --in-flight N        so many requests at a time at most, the connections taking turns
  --seconds S          of the measured part (1)
  --requests N         so many requests instead
  --rate R             open loop at so many requests a second
  --warm-up S          before it, not counted (0)
  --wait               say "warm" after the warm-up and begin at a line on standard input; after the
                       report keep all connections, and measure again at each further line, until
                       standard input ends
Prints a JSON object.
)";

// As a browser's through a mesh; with Host 13 fields, 1.1 KB.
constexpr const char* kHeaders =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.8,de;q=0.5,fr;q=0.3\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Referer: https://shop.example.com/catalogue/shoes?page=3&sort=price&colour=blue\r\n"
    "Authorization: Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjE3In0.eyJpc3MiOiJodHRwczov"
    "L2xvZ2luLmV4YW1wbGUuY29tIiwic3ViIjoiODE3MjYzNTQiLCJhdWQiOiJzaG9wIiwiZXhwIjoxNzYzNzQ1NjAwLCJzY2"
    "9"
    "wZSI6ImNhdGFsb2d1ZTpyZWFkIGJhc2tldDp3cml0ZSJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbi13aGljaC1ub2JvZHkt"
    "cmVhZHMtaGVyZQ\r\n"
    "Cookie: session=7c1f0b6e5a9d4f2e8b3c6a1d0e9f8b7c; consent=yes; theme=dark; basket=3f9a1c\r\n"
    "X-Forwarded-For: 203.0.113.42, 10.12.3.4\r\n"
    "X-Forwarded-Proto: https\r\n"
    "X-Request-Id: 4b1f7f0e-3c55-4f1a-9a53-0d2b6f4f1f6a\r\n"
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
    "Cache-Control: no-cache\r\n";

struct Options {
  uint16_t port = 0;
  std::string path = "/128";
  size_t expect = 128;
  size_t body = 0;
  bool headers = false;
  bool closes = false;
  size_t connections = 64;
  size_t in_flight = 0;
  double seconds = 1;
  uint64_t requests = 0;
  double rate = 0;
  double warm_up = 0;
  bool waits = false;
};

int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

std::string make_request(const Options& options) {
  std::string text = (options.body != 0 ? "POST " : "GET ") + options.path +
                     " HTTP/1.1\r\nHost: bench.example.com\r\n";
  if (options.headers) text += kHeaders;
  if (options.closes) text += "Connection: close\r\n";
  if (options.body != 0) text += "Content-Length: " + std::to_string(options.body) + "\r\n";
  return text + "\r\n" + body_pattern().substr(0, options.body);
}

// Its first line, as a JSON string may hold it.
std::string printable_line(std::string_view text) {
  std::string line;
  for (const char each : text.substr(0, text.find('\r'))) {
    line += each < ' ' || each == '"' || each == '\\' ? '?' : each;
  }
  return line;
}

struct Connection {
  int fd = -1;
  int64_t since = 0;  // when its request was sent, or should have been
  size_t sent = 0;    // bytes of the request
  bool watches_writing = false;
  std::string head;  // of a response that came in pieces
  bool in_body = false;
  size_t body_read = 0;
  bool whole = false;  // with --close: the end of the connection is still to come
};

// What was seen in one part of the run.
struct Tally {
  uint64_t started = 0, right = 0, wrong = 0, errors = 0, late = 0;
  int64_t latest = 0;  // of all that were sent after their time
  Histogram latencies;
};

class Load {
 public:
  explicit Load(const Options& options)
      : options_(options),
        request_(make_request(options)),
        buffer_(kReadSize),
        connections_(options.connections) {
    for (auto& connection : connections_) idle_.push_back(&connection);
    if (options_.in_flight == 0) options_.in_flight = options_.connections;
  }

  // Until `seconds` have passed or `requests` were made, and all have been answered.
  void run(double seconds, uint64_t requests) {
    tally_ = {.wrong = tally_.wrong, .errors = tally_.errors};  // those of the warm-up too
    counted_ = requests != 0;
    began_ = now();
    ends_ = began_ + std::llround(seconds * 1e9);
    most_ = requests != 0       ? requests
            : options_.rate > 0 ? static_cast<uint64_t>(std::llround(options_.rate * seconds))
                                : UINT64_MAX;
    int64_t heard = began_;
    int64_t time = began_;
    while (true) {
      const int64_t next = start_due(time);
      if (in_flight_ == 0 && next < 0) break;
      const auto events = poller_.wait(next < 0 ? kSecond : std::max<int64_t>(next - time, 0));
      for (const auto& event : events) {
        on_event(*static_cast<Connection*>(event.data.ptr), event.events);
      }
      time = now();
      if (!events.empty() || in_flight_ == 0) heard = time;
      if (time - heard > kPatience) give_up();
    }
    took_ = now() - began_;
  }

  void report() const {
    const auto micros = [&](double share) {
      return static_cast<double>(tally_.latencies.quantile(share)) / 1000;
    };
    const double seconds = static_cast<double>(took_) / 1e9;
    std::printf(
        "{\"requests\": %lu, \"wrong\": %lu, \"errors\": %lu, \"first_wrong\": \"%s\", "
        "\"seconds\": %.6f, \"per_second\": %.1f, \"asked\": %lu, \"late\": %lu, "
        "\"latest_us\": %.1f, \"above_100ms\": %lu, \"latency_us\": {\"p50\": %.2f, \"p90\": %.2f, "
        "\"p99\": %.2f, \"p99.9\": %.2f, \"max\": %.2f}}\n",
        tally_.right, tally_.wrong, tally_.errors, first_wrong_.c_str(), seconds,
        static_cast<double>(tally_.right) / seconds, options_.rate > 0 ? most_ : tally_.started,
        tally_.late, static_cast<double>(tally_.latest) / 1000,
        tally_.latencies.above(kSecond / 10), micros(0.5), micros(0.9), micros(0.99), micros(0.999),
        static_cast<double>(tally_.latencies.max()) / 1000);
    std::fflush(stdout);
  }

  bool all_right() const { return tally_.wrong + tally_.errors == 0; }

 private:
  int64_t due_at(uint64_t request) const {
    return began_ + std::llround(static_cast<double>(request) * 1e9 / options_.rate);
  }

  // Sends what is due while there are connections for it. When the next is due: now where an answer
  // must come first (a second, to look whether any comes), -1 where nothing more will be sent.
  int64_t start_due(int64_t time) {
    while (true) {
      const bool over = tally_.started >= most_ ||
                        (options_.rate > 0 ? time > ends_ + kPatience : !counted_ && time >= ends_);
      if (over) return -1;
      if (in_flight_ >= options_.in_flight || idle_.empty()) return time + kSecond;
      int64_t since = time;
      if (options_.rate > 0) {
        since = due_at(tally_.started);
        if (since > time) return since;
        if (time - since > kLateness) ++tally_.late;
        tally_.latest = std::max(tally_.latest, time - since);
      }
      auto& connection = *idle_.front();
      idle_.pop_front();
      ++tally_.started;
      ++in_flight_;
      start(connection, since);
      if (options_.rate > 0) time = now();
    }
  }

  void start(Connection& connection, int64_t since) {
    connection.since = since;
    connection.sent = 0;
    connection.whole = false;
    if (connection.fd < 0) {
      const uint32_t source = options_.closes ? kHere + 1 + opened_++ % kSources : 0;
      connection.fd = connect_to(options_.port, source);
      if (connection.fd < 0) return lose(connection);
      poller_.add(connection.fd, EPOLLIN, &connection);
    }
    send(connection);
  }

  void send(Connection& connection) {
    const auto sent =
        write(connection.fd, request_.data() + connection.sent, request_.size() - connection.sent);
    if (sent < 0 && errno != EAGAIN && errno != ENOTCONN) return lose(connection);
    connection.sent += sent < 0 ? 0 : static_cast<size_t>(sent);
    const bool rest = connection.sent < request_.size();
    if (rest == connection.watches_writing) return;
    connection.watches_writing = rest;
    poller_.change(connection.fd, EPOLLIN | (rest ? EPOLLOUT : 0U), &connection);
  }

  void on_event(Connection& connection, uint32_t events) {
    if (connection.fd < 0) return;
    if ((events & EPOLLOUT) != 0 && connection.watches_writing) send(connection);
    if (connection.fd < 0 || (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
    const auto size = read(connection.fd, buffer_.data(), buffer_.size());
    if (size < 0 && errno == EAGAIN) return;
    const bool asked = connection.since != 0;
    if (size <= 0 && connection.whole) return finish(connection);
    if (size <= 0) return lose(connection);
    if (!asked || connection.whole) return wrong(connection, "bytes that nobody asked for");
    take(connection, {buffer_.data(), static_cast<size_t>(size)});
  }

  void take(Connection& connection, std::string_view data) {
    if (!connection.in_body) {
      if (!connection.head.empty()) data = connection.head.append(data);
      const size_t size = head_size(data);
      if (size == 0) {
        if (connection.head.empty()) connection.head = data;
        if (connection.head.size() > kMaxHead) wrong(connection, "a head without end");
        return;
      }
      const auto why = what_is_wrong_with(data.substr(0, size));
      if (!why.empty()) return wrong(connection, why);
      connection.in_body = true;
      connection.body_read = 0;
      data.remove_prefix(size);
    }
    if (connection.body_read + data.size() > options_.expect ||
        !is_body_at(connection.body_read, data)) {
      return wrong(connection, "a body with other bytes");
    }
    connection.body_read += data.size();
    connection.head.clear();
    if (connection.body_read < options_.expect) return;
    connection.in_body = false;
    if (options_.closes) {
      connection.whole = true;
    } else {
      finish(connection);
    }
  }

  // Empty where nothing is.
  std::string what_is_wrong_with(std::string_view head) const {
    if (!head.starts_with("HTTP/1.1 200 ")) return "status: " + printable_line(head);
    long size = -1;
    bool proven = false;
    each_field(head, [&](std::string_view name, std::string_view value) {
      if (same_word(name, "content-length")) size = number(value);
      if (same_word(name, kBackendField)) proven = value == kBackendValue;
    });
    if (size != static_cast<long>(options_.expect)) return "length: " + std::to_string(size);
    return proven ? "" : "not from the backend";
  }

  void finish(Connection& connection) {
    ++tally_.right;
    tally_.latencies.add(now() - connection.since);
    if (options_.closes) disconnect(connection);
    settle(connection);
  }

  void wrong(Connection& connection, const std::string& why) {
    ++tally_.wrong;
    if (first_wrong_.empty()) first_wrong_ = why;
    disconnect(connection);
    if (connection.since != 0) settle(connection);
  }

  // One that was idle counts too: it was to be kept.
  void lose(Connection& connection) {
    ++tally_.errors;
    disconnect(connection);
    if (connection.since != 0) settle(connection);
  }

  void settle(Connection& connection) {
    connection.since = 0;
    --in_flight_;
    idle_.push_back(&connection);
  }

  void disconnect(Connection& connection) {
    if (connection.fd >= 0) close(connection.fd);
    connection.fd = -1;
    connection.head.clear();
    connection.in_body = connection.whole = connection.watches_writing = false;
  }

  void give_up() {
    for (auto& connection : connections_) {
      if (connection.since != 0) lose(connection);
    }
    most_ = tally_.started;
  }

  Options options_;
  std::string request_;
  std::vector<char> buffer_;
  std::vector<Connection> connections_;
  std::deque<Connection*> idle_;
  Poller poller_;
  size_t in_flight_ = 0;
  uint32_t opened_ = 0;
  bool counted_ = false;  // so many requests, however long they take
  uint64_t most_ = 0;
  int64_t began_ = 0, ends_ = 0, took_ = 0;
  Tally tally_;
  std::string first_wrong_;
};

Options read_options(int argc, char** argv) {
  const std::array<option, 14> words{{{"port", 1, nullptr, 'p'},
                                      {"path", 1, nullptr, 'a'},
                                      {"expect", 1, nullptr, 'e'},
                                      {"body", 1, nullptr, 'b'},
                                      {"headers", 0, nullptr, 'h'},
                                      {"close", 0, nullptr, 'c'},
                                      {"connections", 1, nullptr, 'n'},
                                      {"in-flight", 1, nullptr, 'i'},
                                      {"seconds", 1, nullptr, 's'},
                                      {"requests", 1, nullptr, 'q'},
                                      {"rate", 1, nullptr, 'r'},
                                      {"warm-up", 1, nullptr, 'u'},
                                      {"wait", 0, nullptr, 'w'},
                                      {}}};
  Options options;
  bool known = true;
  int word = 0;
  while ((word = getopt_long(argc, argv, "", words.data(), nullptr)) != -1) {
    const auto size = [] { return static_cast<size_t>(std::atoll(optarg)); };
    switch (word) {
      case 'p':
        options.port = static_cast<uint16_t>(size());
        break;
      case 'a':
        options.path = optarg;
        break;
      case 'e':
        options.expect = size();
        break;
      case 'b':
        options.body = size();
        break;
      case 'h':
        options.headers = true;
        break;
      case 'c':
        options.closes = true;
        break;
      case 'n':
        options.connections = size();
        break;
      case 'i':
        options.in_flight = size();
        break;
      case 's':
        options.seconds = std::atof(optarg);
        break;
      case 'q':
        options.requests = size();
        break;
      case 'r':
        options.rate = std::atof(optarg);
        break;
      case 'u':
        options.warm_up = std::atof(optarg);
        break;
      case 'w':
        options.waits = true;
        break;
      default:
        known = false;
    }
  }
  if (!known || optind != argc || options.port == 0 || options.connections == 0 ||
      options.body > kMaxBody || options.expect > kMaxBody) {
    std::fputs(kUsage, stderr);
    std::exit(2);
  }
  return options;
}

// False at the end of standard input.
bool wait_for_line() {
  int byte = 0;
  do byte = std::getchar();
  while (byte != EOF && byte != '\n');
  return byte != EOF;
}

int run(const Options& options) {
  want_descriptors();
  prctl(PR_SET_TIMERSLACK, 1);  // nanosecond: a send is due to the microsecond
  Load load{options};
  if (options.warm_up > 0) load.run(options.warm_up, 0);
  if (options.waits) {
    std::puts("warm");
    std::fflush(stdout);
    if (!wait_for_line()) return 1;
  }
  do {
    load.run(options.seconds, options.requests);
    load.report();
  } while (options.waits && wait_for_line());
  return load.all_right() ? 0 : 1;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::run(bench::read_options(argc, argv));
}
