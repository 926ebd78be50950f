// Real sockets on one loop, for the tests of proxy/net.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "proxy/net/address.h"
#include "proxy/net/connector.h"
#include "proxy/net/listener.h"
#include "proxy/net/loop.h"
#include "proxy/net/stream.h"
#include "proxy/net/timer.h"
#include "tests/support/catch.h"

namespace outrigger::net {

// Runs the loop until `done`, at most for `limit`, which is a guard and no measurement.
inline bool run_until(Loop& loop, const std::function<bool()>& done,
                      Duration limit = std::chrono::seconds{20}) {
  struct Guard final : TimerEvents {
    void on_timer(Timer&) override { over = true; }
    bool over = false;
  } guard;
  Timer timer{loop, guard};
  timer.arm(loop.now() + limit);
  while (!done() && !guard.over) loop.run_once(true);
  return done();
}

// One end of a connection, and what has happened to it.
struct End final : StreamEvents {
  void take(std::unique_ptr<Stream> connected) {
    stream = std::move(connected);
    stream->set_events(this);
    stream->start_reading();
  }
  bool connected() const { return stream != nullptr; }
  bool ended() const { return eof || error != 0; }

  void on_read(std::string_view bytes) override {
    received += bytes.size();
    if (keep) got += bytes;
    if (on_bytes) on_bytes(bytes);
  }
  void on_eof() override {
    CHECK_FALSE(ended());
    eof = true;
    if (at_end) at_end();
  }
  void on_error(int uv_error) override {
    CHECK(error == 0);
    error = uv_error;
    if (at_end) at_end();
  }
  void on_writable() override {
    ++writables;
    if (at_writable) at_writable();
  }

  void on_blocked() override { ++blocks; }

  std::unique_ptr<Stream> stream;
  std::string got;
  std::size_t received = 0;
  bool keep = true;
  bool eof = false;
  int error = 0;
  int writables = 0;
  int blocks = 0;
  std::function<void(std::string_view)> on_bytes;
  std::function<void()> at_end;
  std::function<void()> at_writable;
};

struct Dial final : ConnectorEvents {
  Dial(Loop& loop, const Address& address)
      : connector(std::make_unique<Connector>(loop, address, *this)) {}
  void on_connected(std::unique_ptr<Stream> connected) override {
    connector.reset();
    stream = std::move(connected);
  }
  void on_connect_failed(int uv_error) override {
    connector.reset();
    error = uv_error;
  }
  bool over() const { return stream != nullptr || error != 0; }

  std::unique_ptr<Stream> stream;
  int error = 0;
  std::unique_ptr<Connector> connector;
};

struct Door final : ListenerEvents {
  Door(Loop& loop, const std::string& address)
      : listener(std::make_unique<Listener>(
            loop, std::move(BoundSocket::bind(Address::parse(address).value()).value()), *this)) {
    listener->start();
  }
  void on_accept(std::unique_ptr<Stream> stream) override {
    accepted.push_back(std::move(stream));
    if (at_accept) at_accept();
  }
  void on_accept_error(int uv_error) override { errors.push_back(uv_error); }
  Address address() const { return Address::parse(listener->address()).value(); }

  std::vector<std::unique_ptr<Stream>> accepted;
  std::vector<int> errors;
  std::function<void()> at_accept;
  std::unique_ptr<Listener> listener;
};

// A connection whose both ends are here.
struct Pair {
  explicit Pair(Loop& loop, const std::string& address = "127.0.0.1:0") {
    Door door{loop, address};
    Dial dial{loop, door.address()};
    REQUIRE(run_until(loop, [&] { return dial.stream && !door.accepted.empty(); }));
    near.take(std::move(dial.stream));
    far.take(std::move(door.accepted.front()));
  }
  End near;
  End far;
};

}  // namespace outrigger::net
