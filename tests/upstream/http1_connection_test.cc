#include "proxy/upstream/http1_connection.h"

#include "tests/net/sockets.h"

namespace outrigger::upstream {
namespace {

using namespace std::chrono_literals;

// What an attempt would hear.
struct User final : ConnectionUser {
  void on_connected() override { connected = true; }
  void on_connect_failed(ConnectFailure) override {}
  void on_response_head(const http::ResponseHead& head) override { status = head.status; }
  void on_response_body(std::string_view) override {}
  void on_response_end(const http::Headers*) override { ended = true; }
  void on_read_done() override {}
  void on_connection_lost(bool) override { lost = true; }
  void on_connection_writable() override {}

  bool connected = false;
  int status = 0;
  bool ended = false;
  bool lost = false;
};

// What the connections of a worker share.
struct Shared {
  http::Gather::Spare gathers;
  net::Loop loop;
  Http1ConnectionFactory factory{loop, gathers};
};

// A PUT of ten bytes is on its way, and the other end reads what comes.
struct Asked {
  explicit Asked(std::shared_ptr<Shared> with = std::make_shared<Shared>(), bool at_once = false)
      : shared(std::move(with)) {
    const auto endpoint = std::make_shared<Endpoint>(1, door.listener->address());
    connection = shared->factory.connect(endpoint, 0, 10s);
    connection->attach(user);
    REQUIRE(net::run_until(loop, [&] { return user.connected && !door.accepted.empty(); }));
    origin.take(std::move(door.accepted.front()));
    http::RequestHead head;
    head.method = "PUT";
    head.target = head.path = "/";
    head.framing = http::Framing::Length;
    head.content_length = 10;
    connection->send_head(head, {}, at_once);
  }

  std::shared_ptr<Shared> shared;
  net::Loop& loop = shared->loop;
  net::Door door{loop, "127.0.0.1:0"};
  net::End origin;
  User user;
  ConnectionPtr connection;
};

}  // namespace

TEST_CASE("a request whose body has the length it promised leaves its connection to the next") {
  Asked asked;
  asked.connection->send_body("01234");
  asked.connection->send_body("56789");
  asked.connection->send_end(nullptr);
  REQUIRE(net::run_until(asked.loop, [&] { return asked.origin.got.ends_with("0123456789"); }));
  asked.origin.stream->write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  REQUIRE(net::run_until(asked.loop, [&] { return asked.user.ended; }));
  CHECK(asked.connection->reusable());
}

TEST_CASE(
    "a body shorter than it promised ends the try, and no request follows on the connection") {
  Asked asked;
  asked.connection->send_body("01234");
  asked.connection->send_end(nullptr);
  REQUIRE(net::run_until(asked.loop, [&] { return asked.user.lost; }));
  CHECK_FALSE(asked.connection->reusable());
}

TEST_CASE("what is more than a body has promised is never sent") {
  Asked asked;
  asked.connection->send_body("0123456789");
  asked.connection->send_body("GET /");
  asked.connection->flush();
  REQUIRE(net::run_until(asked.loop, [&] { return asked.user.lost; }));
  asked.connection.reset();
  REQUIRE(net::run_until(asked.loop, [&] { return asked.origin.ended(); }));
  CHECK(asked.origin.got.ends_with("0123456789"));
}

TEST_CASE("a request whose connection is lost in its turn was not sent, unless it left at once") {
  const bool at_once = GENERATE(false, true);
  Asked asked{std::make_shared<Shared>(), at_once};
  struct Turn final : net::Deferred {
    void run_deferred() override {
      asked->connection->send_body("0123456789");
      asked->connection->send_end(nullptr);
      sent = asked->connection->any_sent();
      asked->connection.reset();
    }
    Asked* asked = nullptr;
    bool sent = false;
  } turn;
  turn.asked = &asked;
  asked.loop.defer(turn);
  REQUIRE(net::run_until(asked.loop, [&] { return asked.origin.ended(); }));
  CHECK(turn.sent == at_once);
  CHECK(asked.origin.got.empty() == !at_once);
}

TEST_CASE("an answer to a body cut short does not make its connection reusable") {
  Asked asked;
  asked.connection->send_body("01234");
  asked.connection->flush();
  REQUIRE(net::run_until(asked.loop, [&] { return asked.origin.got.ends_with("01234"); }));
  asked.origin.stream->write("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
  REQUIRE(net::run_until(asked.loop, [&] { return asked.user.ended; }));
  CHECK(asked.user.status == 413);
  CHECK_FALSE(asked.connection->reusable());
}

TEST_CASE("what one response's head said holds to its end, whatever another's says meanwhile") {
  Asked asked;
  Asked other{asked.shared};
  for (Asked* each : {&asked, &other}) {
    each->connection->send_body("0123456789");
    each->connection->send_end(nullptr);
  }
  asked.origin.stream->write("HTTP/1.1 200 OK\r\n\r\nas long as the connection");
  REQUIRE(net::run_until(asked.loop, [&] { return asked.user.status == 200; }));
  other.origin.stream->write("HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n01");
  REQUIRE(net::run_until(asked.loop, [&] { return other.user.status == 201; }));

  asked.origin.stream->close_when_drained(1s);
  REQUIRE(net::run_until(asked.loop, [&] { return asked.user.ended || asked.user.lost; }));
  CHECK(asked.user.ended);
  CHECK_FALSE(asked.connection->reusable());
  other.origin.stream->write("234");
  REQUIRE(net::run_until(asked.loop, [&] { return other.user.ended; }));
  CHECK(other.connection->reusable());
}

}  // namespace outrigger::upstream
