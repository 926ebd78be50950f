// What stands behind the proxies: answers GET …/SIZE with a body of that size, and POST, once its
// body is read and is the right one, with 128 bytes. Responses are built once; each is one write.
//
// backend COUNT   listens on so many ports and prints them, on one line

#include <deque>
#include <map>
#include <vector>

#include "tests/bench/head.h"
#include "tests/bench/pattern.h"
#include "tests/bench/sockets.h"

namespace bench {
namespace {

constexpr size_t kReadSize = 256 * 1024;
constexpr size_t kMaxHead = 64 * 1024;
constexpr size_t kPostAnswer = 128;

struct Connection {
  int fd = -1;
  bool is_listener = false;
  std::string head;  // of a request that came in pieces
  size_t body_size = 0;
  size_t body_read = 0;
  bool closes = false;
  const std::string* answer = nullptr;    // to the request whose body is read
  const std::string* response = nullptr;  // that is being written
  size_t sent = 0;
  bool waits_to_write = false;
};

std::string make_response(size_t size) {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n" +
         std::string(kBackendField) + ": " + std::string(kBackendValue) +
         "\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
         body_pattern().substr(0, size);
}

class Backend {
 public:
  explicit Backend(int ports) : buffer_(kReadSize) {
    for (int i = 0; i < ports; ++i) {
      listeners_.push_back({.fd = listen_on(0), .is_listener = true});
      poller_.add(listeners_.back().fd, EPOLLIN, &listeners_.back());
      std::printf("%u%c", port_of(listeners_.back().fd), i + 1 < ports ? ' ' : '\n');
    }
    std::fflush(stdout);
  }

  [[noreturn]] void run() {
    while (true) {
      for (const auto& event : poller_.wait()) {
        auto& connection = *static_cast<Connection*>(event.data.ptr);
        if (connection.is_listener) {
          accept_all(connection.fd);
        } else if (connection.waits_to_write) {
          write_rest(connection);
        } else {
          read_some(connection);
        }
      }
    }
  }

 private:
  void accept_all(int listener) {
    while (true) {
      const int fd = accept_from(listener);
      if (fd < 0) return;
      poller_.add(fd, EPOLLIN, new Connection{.fd = fd});
    }
  }

  // A connection has one event a turn, so that nothing else knows of it.
  void drop(Connection& connection) {
    close(connection.fd);
    delete &connection;
  }

  void read_some(Connection& connection) {
    const auto size = read(connection.fd, buffer_.data(), buffer_.size());
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) return drop(connection);
    if (!take(connection, {buffer_.data(), static_cast<size_t>(size)})) {
      refuse(connection);
    } else if (connection.response != nullptr) {
      write_rest(connection);
    }
  }

  // False where it is not what the load generator sends.
  bool take(Connection& connection, std::string_view data) {
    if (connection.body_size == 0) {
      if (!connection.head.empty()) data = connection.head.append(data);
      const size_t size = head_size(data);
      if (size == 0) {
        if (connection.head.empty()) connection.head = data;
        return connection.head.size() <= kMaxHead;
      }
      if (!begin(connection, data.substr(0, size))) return false;
      data.remove_prefix(size);
    }
    if (data.size() > connection.body_size - connection.body_read ||
        !is_body_at(connection.body_read, data)) {
      return false;
    }
    connection.body_read += data.size();
    connection.head.clear();
    if (connection.body_read == connection.body_size) {
      connection.response = connection.answer;
      connection.body_size = 0;
    }
    return true;
  }

  bool begin(Connection& connection, std::string_view head) {
    const bool gets = head.starts_with("GET ");
    if (!gets && !head.starts_with("POST ")) return false;
    long body = 0;
    connection.closes = false;
    each_field(head, [&](std::string_view name, std::string_view value) {
      if (same_word(name, "content-length")) body = number(value);
      if (same_word(name, "transfer-encoding")) body = -1;
      if (same_word(name, "connection")) connection.closes = same_word(value, "close");
    });
    if (body < 0 || (gets && body != 0)) return false;
    connection.body_size = static_cast<size_t>(body);
    connection.body_read = 0;
    const auto line = head.substr(0, head.find("\r\n"));
    const auto target = line.substr(0, line.rfind(' '));
    const long size = gets ? number(target.substr(target.rfind('/') + 1)) : long{kPostAnswer};
    if (size < 0 || size > long{kMaxBody}) return false;
    auto& response = responses_[static_cast<size_t>(size)];
    if (response.empty()) response = make_response(static_cast<size_t>(size));
    connection.answer = &response;
    return true;
  }

  void write_rest(Connection& connection) {
    const auto& response = *connection.response;
    const auto sent =
        write(connection.fd, response.data() + connection.sent, response.size() - connection.sent);
    if (sent < 0 && errno != EAGAIN) return drop(connection);
    connection.sent += sent < 0 ? 0 : static_cast<size_t>(sent);
    const bool waits = connection.sent < response.size();
    if (waits != connection.waits_to_write) {
      connection.waits_to_write = waits;
      poller_.change(connection.fd, waits ? EPOLLOUT : EPOLLIN, &connection);
    }
    if (waits) return;
    connection.response = nullptr;
    connection.sent = 0;
    if (connection.closes) drop(connection);
  }

  void refuse(Connection& connection) {
    static constexpr std::string_view kRefusal =
        "HTTP/1.1 400 Not What Was Sent\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (write(connection.fd, kRefusal.data(), kRefusal.size()) < 0) perror("write");
    drop(connection);
  }

  Poller poller_;
  std::deque<Connection> listeners_;
  std::vector<char> buffer_;
  std::map<size_t, std::string> responses_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  const int ports = argc == 2 ? std::atoi(argv[1]) : 0;
  if (ports < 1) {
    std::fputs("backend COUNT\n", stderr);
    return 2;
  }
  bench::want_descriptors();
  bench::Backend{ports}.run();
}
