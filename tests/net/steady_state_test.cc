// What a request costs on warm connections: a proxy's two streams between a caller and a server.

#include "tests/net/sockets.h"
#include "tests/support/allocations.h"
#include "tests/support/catch.h"

namespace outrigger::net {
namespace {

using namespace std::chrono_literals;

struct Ring final : TimerEvents {
  void on_timer(Timer&) override {}
};

TEST_CASE("requests on warm connections allocate nothing") {
  Loop loop;
  Ring ring;
  Timer deadline{loop, ring};
  Pair front{loop};
  Pair back{loop};
  End& caller = front.near;
  End& proxy_down = front.far;
  End& proxy_up = back.near;
  End& server = back.far;
  for (End* end : {&caller, &proxy_down, &proxy_up, &server}) end->keep = false;

  int answered = 0;
  const std::string request(200, 'q');
  const std::string response(2000, 'r');
  proxy_down.on_bytes = [&](std::string_view bytes) {
    deadline.arm(loop.now() + 15s);
    proxy_up.stream->write(bytes);
  };
  server.on_bytes = [&](std::string_view) { server.stream->write(response); };
  proxy_up.on_bytes = [&](std::string_view bytes) {
    proxy_down.stream->write(bytes);
    deadline.disarm();
    proxy_down.stream->stop_reading();
    proxy_down.stream->start_reading();
  };
  caller.on_bytes = [&](std::string_view) {
    ++answered;
    caller.stream->write(request);
  };
  caller.stream->write(request);
  while (answered < 100) loop.run_once(true);

  const auto before = test::allocations();
  while (answered < 2100) loop.run_once(true);
  CHECK(test::allocations() == before);
}

}  // namespace
}  // namespace outrigger::net
