#include "proxy/net/ready_streams.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "proxy/net/transport.h"
#include "tests/net/sockets.h"
#include "tests/net/temporary_directory.h"
#include "tests/support/catch.h"

namespace outrigger::net {
namespace {

// A connection whose both ends are here, and which delivers at once.
struct LocalPair {
  explicit LocalPair(Loop& loop) {
    std::array<int, 2> fds{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
    near.take(std::move(Stream::adopt(loop, fds[0]).value()));
    far.take(std::move(Stream::adopt(loop, fds[1]).value()));
  }
  End near;
  End far;
};

// Connections of one loop, and those of which something was read, in the order of that.
struct Crowd {
  explicit Crowd(Loop& loop, std::size_t size = 8) {
    for (std::size_t i = 0; i < size; ++i) {
      pairs.push_back(std::make_unique<LocalPair>(loop));
      far(i).on_bytes = [this, i](std::string_view) { read.push_back(i); };
    }
    loop.run_once(false);  // they are watched
  }
  void say(std::string_view word) {
    for (std::size_t i = 0; i < pairs.size(); ++i) near(i).write(word);
  }
  End& far(std::size_t i) { return pairs[i]->far; }
  Stream& near(std::size_t i) { return *pairs[i]->near.stream; }

  std::vector<std::unique_ptr<LocalPair>> pairs;
  std::vector<std::size_t> read;
};

using Order = std::vector<std::size_t>;

TEST_CASE("of what a poll has found, answers are read first, and each kind in order") {
  Loop loop;
  Crowd crowd{loop, 6};
  for (const std::size_t i : {1, 4, 5}) crowd.far(i).stream->set_brings_answers(true);
  crowd.say("a");
  loop.run_once(true);
  CHECK(crowd.read == Order{1, 4, 5, 0, 2, 3});
  crowd.say("b");
  loop.run_once(true);
  CHECK(crowd.read.size() == 12);
}

// The one ends of so many connections.
struct Multitude {
  Multitude(Loop& loop, int size) {
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit most = before;
    most.rlim_cur = most.rlim_max;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &most) == 0);
    for (int i = 0; i < size; ++i) {
      std::array<int, 2> fds{};
      REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
      others.push_back(fds[0]);
      ends.push_back(std::make_unique<End>());
      ends.back()->take(std::move(Stream::adopt(loop, fds[1]).value()));
      if (i % 3 == 0) ends.back()->stream->set_brings_answers(true);
    }
    loop.run_once(false);  // they are watched
  }
  ~Multitude() {
    for (const int fd : others) close(fd);
    setrlimit(RLIMIT_NOFILE, &before);
  }
  rlimit before{};
  std::vector<std::unique_ptr<End>> ends;
  std::vector<int> others;
};

TEST_CASE("more streams than stand there at a time are all read in their turn") {
  Loop loop;
  Multitude multitude{loop, ReadyStreams::kMax + 2};
  int reads = 0;
  int of_poll = 0;
  const auto before = loop.poll_number();
  for (const auto& end : multitude.ends) {
    end->on_bytes = [&](std::string_view) {
      ++reads;
      of_poll += loop.is_of_poll(loop.poll_number()) ? 1 : 0;
      CHECK_FALSE(loop.is_of_poll(before));
    };
  }
  for (const int fd : multitude.others) REQUIRE(write(fd, "x", 1) == 1);
  loop.run_once(false);
  CHECK(reads == ReadyStreams::kMax + 2);
  CHECK(of_poll == ReadyStreams::kMax);
  for (const auto& end : multitude.ends) CHECK(end->got == "x");
}

TEST_CASE("of so many that they are read amid polls each may go in its read") {
  Loop loop;
  Multitude multitude{loop, ReadyStreams::kMax + 2};
  int gone = 0;
  for (const auto& end : multitude.ends) {
    end->on_bytes = [&gone, &end](std::string_view) {
      ++gone;
      end->stream.reset();
    };
  }
  for (const int fd : multitude.others) REQUIRE(write(fd, "x", 1) == 1);
  loop.run_once(false);
  CHECK(gone == ReadyStreams::kMax + 2);
}

TEST_CASE("a stream that libuv finds twice in a turn is told once that it has ended") {
  constexpr int kStopped = 8;
  Loop loop;
  Multitude multitude{loop, ReadyStreams::kMax};
  for (int i = 0; i < ReadyStreams::kMax; ++i) {
    // Events that fill libuv's, but not the ready streams: so it polls again before they are read.
    if (i < kStopped) multitude.ends[i]->stream->stop_reading();
    shutdown(multitude.others[i], SHUT_WR);
  }
  loop.run_once(false);
  int ended = 0;
  for (const auto& end : multitude.ends) ended += end->eof ? 1 : 0;  // End sees to "once"
  CHECK(ended == ReadyStreams::kMax - kStopped);
}

TEST_CASE("an end that comes with the last bytes is told after them") {
  Loop loop;
  Crowd crowd{loop};
  bool bytes_before = false;
  crowd.far(1).at_end = [&] { bytes_before = crowd.far(1).got == "last"; };
  crowd.near(1).write("last");
  crowd.pairs[1]->near.stream.reset();
  REQUIRE(run_until(loop, [&] { return crowd.far(1).eof; }));
  CHECK(bytes_before);
}

TEST_CASE("that a connection has ended is told before any request of the same poll is read") {
  Loop loop;
  Crowd crowd{loop};
  const std::size_t last = crowd.pairs.size() - 1;
  bool first = false;
  crowd.far(last).stream->set_brings_answers(true);
  crowd.far(last).at_end = [&] { first = crowd.read.empty(); };
  for (std::size_t i = 0; i < last; ++i) crowd.near(i).write("a");
  crowd.near(last).shutdown_when_drained();
  loop.run_once(true);
  CHECK(crowd.far(last).eof);
  CHECK(first);
  CHECK(crowd.read.size() == last);
}

TEST_CASE("a connection that ends makes room before another of the same poll is accepted") {
  Loop loop;
  Crowd crowd{loop};
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/socket";
  Door door{loop, "unix:" + path};
  loop.run_once(false);  // it is watched
  bool ended_before = false;
  door.at_accept = [&] { ended_before = crowd.far(0).eof; };
  sockaddr_un address{AF_UNIX, {}};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int caller = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(connect(caller, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  crowd.near(0).shutdown_when_drained();
  loop.run_once(true);
  REQUIRE(door.accepted.size() == 1);
  CHECK(ended_before);
  close(caller);
}

TEST_CASE("what fills the buffer is read on at once, but for others to get theirs") {
  BufferedBytes none_left;
  none_left.set_bound(0);
  Loop loop;
  loop.count_buffered(&none_left);
  Crowd crowd{loop};
  constexpr std::size_t kAtOnce = Transport::kMaxReadsAtOnce * BufferedBytes::kLeastShare;
  crowd.near(0).write(std::string(2 * kAtOnce, 'x'));
  loop.run_once(true);
  CHECK(crowd.far(0).received == kAtOnce);
  loop.run_once(true);
  CHECK(crowd.far(0).received == 2 * kAtOnce);
}

TEST_CASE("a stream that another's read stops is read when it starts, and loses nothing") {
  Loop loop;
  Crowd crowd{loop};
  crowd.far(0).on_bytes = [&](std::string_view) { crowd.far(1).stream->stop_reading(); };
  crowd.say("one ");
  loop.run_once(true);
  crowd.near(1).write("two");
  crowd.near(1).shutdown_when_drained();
  for (int i = 0; i < 3; ++i) loop.run_once(false);
  CHECK(crowd.far(1).got.empty());
  CHECK_FALSE(crowd.far(1).ended());
  crowd.far(1).stream->start_reading();
  REQUIRE(run_until(loop, [&] { return crowd.far(1).eof; }));
  CHECK(crowd.far(1).got == "one two");
}

TEST_CASE("a stream that another's read starts is read by the next turn") {
  Loop loop;
  Crowd crowd{loop};
  crowd.far(1).stream->stop_reading();
  crowd.far(0).on_bytes = [&](std::string_view) { crowd.far(1).stream->start_reading(); };
  crowd.say("all");
  loop.run_once(true);
  loop.run_once(false);
  CHECK(crowd.far(1).got == "all");
}

TEST_CASE("a stream whose owner goes during another's read loses nothing") {
  Loop loop;
  Crowd crowd{loop};
  StreamEvents& owner = crowd.far(1);
  crowd.far(0).on_bytes = [&](std::string_view) { crowd.far(1).stream->set_events(nullptr); };
  crowd.say("kept");
  loop.run_once(true);
  CHECK(crowd.far(1).got.empty());
  crowd.far(1).stream->set_events(&owner);
  REQUIRE(run_until(loop, [&] { return crowd.far(1).got == "kept"; }));
}

TEST_CASE("a stream that another's read destroys hears nothing") {
  Loop loop;
  Crowd crowd{loop};
  const int how = GENERATE(0, 1, 2);
  crowd.far(0).on_bytes = [&](std::string_view) {
    Stream& other = *crowd.far(1).stream;
    if (how == 0) crowd.far(1).stream.reset();
    if (how == 1) other.close_when_drained(std::chrono::seconds(1));
    if (how == 2) other.reset();
  };
  crowd.say("never");
  loop.run_once(true);
  CHECK(crowd.far(1).got.empty());
  CHECK(crowd.far(2).got == "never");
}

}  // namespace
}  // namespace outrigger::net
