#include "proxy/net/stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "tests/net/sockets.h"
#include "tests/net/temporary_directory.h"
#include "tests/support/catch.h"

namespace outrigger::net {
namespace {

using namespace std::chrono_literals;

// A raw descriptor as the other end, to do what a Stream would not.
struct RawPair {
  explicit RawPair(Loop& loop) {
    std::array<int, 2> fds{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
    raw = fds[0];
    near.take(std::move(Stream::adopt(loop, fds[1]).value()));
  }
  ~RawPair() {
    if (raw >= 0) close(raw);
  }
  std::size_t drain() {
    std::array<char, 65536> buffer;
    std::size_t total = 0;
    for (ssize_t n = 0; (n = read(raw, buffer.data(), buffer.size())) > 0;) {
      total += static_cast<std::size_t>(n);
    }
    return total;
  }
  int raw = -1;
  End near;
};

void fill(Stream& stream) {
  const std::string block(64 * 1024, 'x');
  while (stream.write(block)) continue;
}

// Sends `total` bytes whose value tells their place, and stops when it is told to.
struct Source {
  Source(End& end, std::size_t total) : end_(end), left_(total) {
    end.at_writable = [this] { pump(); };
  }
  void pump() {
    while (left_ > 0) {
      std::string block(std::min<std::size_t>(left_, 50'001), '\0');
      for (char& c : block) c = static_cast<char>(place_++ % 251);
      left_ -= block.size();
      const std::array<std::string_view, 2> halves{
          std::string_view{block}.substr(0, 7),
          std::string_view{block}.substr(std::min<std::size_t>(7, block.size()))};
      const bool more = end_.stream->write(halves);
      most_queued = std::max(most_queued, end_.stream->queued());
      if (!more) return;
    }
    end_.stream->shutdown_when_drained();
  }
  std::size_t most_queued = 0;

 private:
  End& end_;
  std::size_t left_;
  std::size_t place_ = 0;
};

TEST_CASE("64 MiB pass in order, with a bounded queue, to a reader that stops now and then") {
  constexpr std::size_t kTotal = 64u << 20;
  TemporaryDirectory directory;
  const std::string address = directory.place(GENERATE("127.0.0.1:0", "[::1]:0", "unix:"));
  Loop loop;
  Pair pair{loop, address};
  pair.far.keep = false;
  std::size_t place = 0;
  bool in_order = true;
  int pauses = 0;
  struct Resume final : Deferred {
    explicit Resume(Stream& paused) : stream(paused) {}
    void run_deferred() override { stream.start_reading(); }
    Stream& stream;
  } resume{*pair.far.stream};
  pair.far.on_bytes = [&](std::string_view bytes) {
    for (const char c : bytes) in_order = in_order && c == static_cast<char>(place++ % 251);
    if (++pauses % 8 == 0) {
      pair.far.stream->stop_reading();
      loop.post([&] { loop.defer(resume); });
    }
  };
  Source source{pair.near, kTotal};
  source.pump();
  REQUIRE(run_until(
      loop, [&] { return pair.far.ended(); }, 60s));
  CHECK(pair.far.eof);
  CHECK(place == kTotal);
  CHECK(in_order);
  CHECK(pair.near.writables > 0);
  CHECK(source.most_queued <= Stream::kHighWater + 50'001);
  CHECK(pair.near.stream->bytes_taken() == kTotal);
  CHECK(pair.far.stream->bytes_read() == kTotal);
  CHECK(pair.near.stream->queued() == 0);
}

TEST_CASE("pieces arrive as one, and nothing is queued when the kernel takes all") {
  Loop loop;
  Pair pair{loop};
  const std::array<std::string_view, 4> pieces{"head ", "", "body ", "end"};
  CHECK(pair.near.stream->write(pieces));
  CHECK(pair.near.stream->queued() == 0);
  CHECK(pair.near.stream->bytes_taken() == 13);
  REQUIRE(run_until(loop, [&] { return pair.far.received == 13; }));
  CHECK(pair.far.got == "head body end");
  CHECK(pair.near.writables == 0);
}

// Bytes whose value tells their place.
std::string numbered(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i % 251);
  return bytes;
}

TEST_CASE("a head before the body that is being read arrives before it, whatever its size") {
  struct Sizes {
    std::size_t read, written;
    bool put_before;
  };
  const auto sizes = GENERATE(
      Sizes{100, 50, true}, Sizes{100, 100, true}, Sizes{0, 1, true},
      Sizes{100, 100 + Loop::kHeadroom, true}, Sizes{100, 101 + Loop::kHeadroom, false},
      Sizes{9000, Loop::kMostPutBefore, true}, Sizes{9000, 4097, false}, Sizes{100, 0, false});
  const bool congested = GENERATE(false, true);
  CAPTURE(sizes.read, sizes.written, congested);
  Loop loop;
  Pair from{loop};
  Pair to{loop};
  const std::string body = numbered(10'000);
  const std::string head(sizes.written, 'h');
  const std::string old(sizes.read, 'o');
  std::size_t before = 0;
  if (congested) {
    to.far.stream->stop_reading();
    fill(*to.near.stream);
    before = to.near.stream->queued() + to.near.stream->bytes_taken();
  }
  std::string read;
  from.far.on_bytes = [&](std::string_view bytes) {
    read += bytes;
    if (read.size() > bytes.size()) {  // the rest, if it comes in parts
      to.near.stream->write(bytes);
      return;
    }
    const auto rest = bytes.substr(std::min(old.size(), bytes.size()));
    const std::array<std::string_view, 2> pieces{head, rest};
    to.near.stream->write(pieces);
#if !defined(__SANITIZE_ADDRESS__)  // which lets nobody look there
    const bool put = sizes.put_before && !congested;
    if (put) CHECK(std::string_view(rest.data() - head.size(), head.size()) == head);
    if (!put) CHECK(bytes.starts_with(old));
#endif
    CHECK(body.starts_with(rest));
  };
  from.near.stream->write(old + body);
  REQUIRE(run_until(loop, [&] { return read.size() == old.size() + body.size(); }));
  to.far.stream->start_reading();
  const std::size_t all = before + head.size() + body.size();
  REQUIRE(run_until(loop, [&] { return to.far.received == all; }));
  CHECK(std::string_view(to.far.got).substr(before) == head + body);
}

TEST_CASE("what stands before a piece that has not just been read stays as it is") {
  Loop loop;
  Pair pair{loop};
  const std::string own = numbered(10'000);
  const std::array<std::string_view, 2> pieces{"head", std::string_view(own).substr(100)};
  pair.near.stream->write(pieces);
  REQUIRE(run_until(loop, [&] { return pair.far.received == 4 + 9'900; }));
  CHECK(pair.far.got == "head" + own.substr(100));
  CHECK(own == numbered(10'000));
}

TEST_CASE("what is written of a read in more or other pieces arrives in order") {
  const std::string_view before = GENERATE("", "<");
  const std::string_view between = GENERATE("", "|");
  Loop loop;
  Pair from{loop};
  Pair to{loop};
  const std::string sent = numbered(30'000);
  std::string expected;
  from.far.on_bytes = [&](std::string_view bytes) {
    const auto one = bytes.substr(0, bytes.size() / 3);
    const auto two = bytes.substr(one.size());
    for (const auto piece : {before, one, between, two}) expected += piece;
    std::vector<std::string_view> pieces{before, one, between, two};
    std::erase(pieces, "");
    to.near.stream->write(pieces);
  };
  from.near.stream->write(sent);
  REQUIRE(run_until(loop, [&] { return from.far.received == sent.size(); }));
  REQUIRE(run_until(loop, [&] { return to.far.received >= expected.size(); }));
  CHECK(to.far.got == expected);
}

TEST_CASE("a half-close is the peer's end of file, and the other way stays open") {
  Loop loop;
  Pair pair{loop};
  pair.near.stream->write("question");
  pair.near.stream->shutdown_when_drained();
  REQUIRE(run_until(loop, [&] { return pair.far.eof; }));
  CHECK(pair.far.got == "question");
  CHECK(pair.far.stream->write("answer"));
  REQUIRE(run_until(loop, [&] { return pair.near.received == 6; }));
  CHECK(pair.near.got == "answer");
  CHECK_FALSE(pair.near.ended());
}

TEST_CASE("a half-close waits for the queue, and drops what is written after it") {
  Loop loop;
  Pair pair{loop};
  pair.far.keep = false;
  fill(*pair.near.stream);
  const auto total = pair.near.stream->queued() + pair.near.stream->bytes_taken();
  pair.near.stream->shutdown_when_drained();
  CHECK(pair.near.stream->write("too late"));
  REQUIRE(run_until(loop, [&] { return pair.far.ended(); }));
  CHECK(pair.far.eof);
  CHECK(pair.far.received == total);
}

TEST_CASE("a reset is an error at the peer, told once") {
  Loop loop;
  Pair pair{loop};
  pair.near.stream->reset();
  REQUIRE(run_until(loop, [&] { return pair.far.ended(); }));
  CHECK(pair.far.error == -ECONNRESET);
  CHECK_FALSE(pair.far.eof);
}

TEST_CASE("a failed write is told later, not from within the write") {
  Loop loop;
  Pair pair{loop};
  pair.far.stream->stop_reading();
  pair.near.stream->reset();
  loop.run_once(false);
  while (pair.far.error == 0) {
    const int before = pair.far.error;
    CHECK(pair.far.stream->write("x"));
    REQUIRE(pair.far.error == before);
    loop.run_once(false);
  }
  CHECK((pair.far.error == -EPIPE || pair.far.error == -ECONNRESET));
}

TEST_CASE("an answer that came before the reset is read although a write has failed") {
  Loop loop;
  Pair pair{loop};
  pair.near.stream->write("413");
  pair.near.stream->reset();
  // The far end has not polled yet: the answer and the reset wait in its socket.
  const std::string body(1000, 'x');
  pair.far.stream->write(body);
  pair.far.stream->write(body);
  REQUIRE(run_until(loop, [&] { return pair.far.ended(); }));
  CHECK(pair.far.got == "413");
  CHECK(pair.far.error != 0);
  CHECK_FALSE(pair.far.eof);
}

TEST_CASE("an answer that came before the reset is read although a write that waited has failed") {
  Loop loop;
  Pair pair{loop};
  pair.near.stream->stop_reading();
  fill(*pair.far.stream);
  for (int turn = 0; turn < 3; ++turn) loop.run_once(false);
  pair.near.stream->write("413");
  pair.near.stream->reset();
  REQUIRE(run_until(loop, [&] { return pair.far.ended(); }));
  CHECK(pair.far.got == "413");
  CHECK(pair.far.error != 0);
  CHECK_FALSE(pair.far.eof);
}

TEST_CASE("a stream that says nothing while nobody listens loses nothing") {
  Loop loop;
  Pair pair{loop};
  pair.far.stream->set_events(nullptr);
  pair.near.stream->write("early");
  pair.near.stream->shutdown_when_drained();
  for (int turn = 0; turn < 10; ++turn) loop.run_once(false);
  CHECK(pair.far.received == 0);
  pair.far.stream->set_events(&pair.far);
  REQUIRE(run_until(loop, [&] { return pair.far.eof; }));
  CHECK(pair.far.got == "early");
}

TEST_CASE("an end that came with the last bytes is not lost on a reader that stops at them") {
  Loop loop;
  RawPair pair{loop};
  pair.near.on_bytes = [&](std::string_view) { pair.near.stream->stop_reading(); };
  REQUIRE(write(pair.raw, "last", 4) == 4);
  close(std::exchange(pair.raw, -1));
  REQUIRE(run_until(loop, [&] { return pair.near.received == 4; }));
  for (int turn = 0; turn < 3; ++turn) loop.run_once(false);
  CHECK_FALSE(pair.near.ended());
  pair.near.stream->start_reading();
  CHECK(run_until(loop, [&] { return pair.near.eof; }));
}

TEST_CASE("a stopped reader gets nothing until it starts again") {
  Loop loop;
  Pair pair{loop};
  pair.far.stream->stop_reading();
  pair.far.stream->stop_reading();
  pair.near.stream->write("bytes");
  for (int turn = 0; turn < 10; ++turn) loop.run_once(false);
  CHECK(pair.far.received == 0);
  pair.far.stream->start_reading();
  pair.far.stream->start_reading();
  REQUIRE(run_until(loop, [&] { return pair.far.received == 5; }));
}

TEST_CASE("write says when it is congested, and on_writable comes once, near the low-water mark") {
  Loop loop;
  RawPair pair{loop};
  std::size_t at_writable = 0;
  pair.near.at_writable = [&] { at_writable = pair.near.stream->queued(); };
  fill(*pair.near.stream);
  CHECK(pair.near.stream->queued() > Stream::kHighWater);
  for (int turn = 0; turn < 5; ++turn) loop.run_once(false);
  CHECK(pair.near.writables == 0);
  REQUIRE(run_until(loop, [&] {
    pair.drain();
    return pair.near.writables > 0 && pair.near.stream->queued() == 0;
  }));
  CHECK(pair.near.writables == 1);
  CHECK(at_writable <= Stream::kLowWater);

  // Queued, but not congested: nobody waits to be told.
  const std::string piece(1000, 'x');
  while (pair.near.stream->queued() == 0) REQUIRE(pair.near.stream->write(piece));
  REQUIRE(run_until(loop, [&] {
    pair.drain();
    return pair.near.stream->queued() == 0;
  }));
  for (int turn = 0; turn < 3; ++turn) loop.run_once(false);
  CHECK(pair.near.writables == 1);
}

TEST_CASE("a writer that never stops is failed, not fed with memory") {
  Loop loop;
  RawPair pair{loop};
  const std::string block(1 << 20, 'x');
  for (int i = 0; i < 100; ++i) pair.near.stream->write(block);
  CHECK(pair.near.stream->queued() <= Stream::kMaxQueued + 2 * block.size());
  loop.run_once(false);
  CHECK(pair.near.error == -ENOBUFS);
}

TEST_CASE("one write may be larger than every mark") {
  Loop loop;
  Pair pair{loop};
  const std::string page(9 << 20, 'x');
  CHECK_FALSE(pair.near.stream->write(page));
  REQUIRE(run_until(loop, [&] { return pair.far.received == page.size(); }));
  CHECK(pair.far.got == page);
}

TEST_CASE("a stream may be destroyed in each of its callbacks") {
  Loop loop;
  SECTION("on_read") {
    Pair pair{loop};
    pair.far.on_bytes = [&](std::string_view) { pair.far.stream.reset(); };
    pair.near.stream->write("bytes");
    REQUIRE(run_until(loop, [&] { return pair.near.ended(); }));
  }
  SECTION("on_eof") {
    Pair pair{loop};
    pair.far.at_end = [&] { pair.far.stream.reset(); };
    pair.near.stream->shutdown_when_drained();
    REQUIRE(run_until(loop, [&] { return pair.near.ended(); }));
  }
  SECTION("on_error") {
    Pair pair{loop};
    pair.far.at_end = [&] { pair.far.stream.reset(); };
    pair.near.stream->reset();
    REQUIRE(run_until(loop, [&] { return pair.far.stream == nullptr; }));
  }
  SECTION("on_writable") {
    RawPair pair{loop};
    pair.near.at_writable = [&] { pair.near.stream.reset(); };
    fill(*pair.near.stream);
    REQUIRE(run_until(loop, [&] {
      pair.drain();
      return pair.near.stream == nullptr;
    }));
  }
  SECTION("with a full queue") {
    Pair pair{loop};
    pair.far.stream->stop_reading();
    fill(*pair.near.stream);
    pair.near.stream.reset();
  }
}

TEST_CASE("a graceful close delivers all that is queued, although the peer still sends") {
  Loop loop;
  Pair pair{loop};
  pair.far.keep = false;
  fill(*pair.near.stream);
  const auto total = pair.near.stream->queued() + pair.near.stream->bytes_taken();
  pair.far.stream->write(std::string(20'000, 'y'));
  pair.near.stream->close_when_drained(5s);
  CHECK(pair.near.stream->bytes_taken() > 0);
  pair.near.stream.reset();
  REQUIRE(run_until(loop, [&] { return pair.far.ended(); }));
  CHECK(pair.far.eof);
  CHECK(pair.far.received == total);
  CHECK(pair.near.received == 0);
}

TEST_CASE("a lingering close ends with the peer, at its time, or at its bytes") {
  Loop loop;
  RawPair pair{loop};
  pair.near.stream->write("bye");
  const auto peer_is_closed = [&] {
    return send(pair.raw, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE;
  };
  SECTION("at its time") {
    const TimePoint start = loop.now();
    pair.near.stream->close_when_drained(50ms);
    REQUIRE(run_until(loop, [&] {
      std::array<char, 1> byte;
      return recv(pair.raw, byte.data(), 1, MSG_PEEK) == 1;
    }));
    // Not through send(), whose bytes would end it sooner.
    REQUIRE(run_until(loop, [&] { return loop.now() - start > 50ms && peer_is_closed(); }));
  }
  SECTION("with the peer") {
    pair.near.stream->close_when_drained(1h);
    pair.drain();
    shutdown(pair.raw, SHUT_WR);
    REQUIRE(run_until(loop, [&] { return peer_is_closed(); }));
  }
  SECTION("at its bytes") {
    pair.near.stream->close_when_drained(1h);
    const std::string block(16 * 1024, 'x');
    REQUIRE(run_until(loop, [&] {
      return send(pair.raw, block.data(), block.size(), MSG_NOSIGNAL) < 0 && errno == EPIPE;
    }));
  }
}

TEST_CASE("a loop lets only so many streams linger") {
  Loop loop;
  int open = 0;
  std::vector<std::unique_ptr<RawPair>> pairs;
  for (int i = 0; i < Stream::kMaxLingering + 10; ++i) {
    pairs.push_back(std::make_unique<RawPair>(loop));
    pairs.back()->near.stream->close_when_drained(1h);
  }
  loop.run_once(false);
  for (const auto& pair : pairs) open += send(pair->raw, "x", 1, MSG_NOSIGNAL) == 1 ? 1 : 0;
  CHECK(open == Stream::kMaxLingering);
}

TEST_CASE("a stream knows its peer") {
  Loop loop;
  Pair pair{loop};
  CHECK(pair.far.stream->peer_ip() == "127.0.0.1");
  CHECK(pair.far.stream->peer_port() == pair.near.stream->local_port());
  CHECK(pair.near.stream->peer_port() == pair.far.stream->local_port());
  CHECK(pair.near.stream->peer_port() != 0);
  RawPair raw{loop};
  CHECK(raw.near.stream->peer_ip().empty());
  CHECK(raw.near.stream->peer_port() == 0);
}

TEST_CASE("what is no connected socket is not adopted") {
  Loop loop;
  const auto stream = Stream::adopt(loop, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE_FALSE(stream);
  CHECK(stream.error() == -ENOTCONN);
}

TEST_CASE("what a read has deferred runs before the next read of the same poll") {
  Loop loop;
  Pair one{loop};
  Pair other{loop};
  struct Later final : Deferred {
    void run_deferred() override { ran = true; }
    bool ran = false;
  } later[2];
  int unseen = 0;
  const auto reads = [&](Later& mine, const Later& theirs) {
    return [&](std::string_view) {
      unseen += !theirs.ran && theirs.pending();
      loop.defer(mine);
    };
  };
  one.far.on_bytes = reads(later[0], later[1]);
  other.far.on_bytes = reads(later[1], later[0]);
  one.near.stream->write("a");
  other.near.stream->write("b");
  loop.run_once(true);
  REQUIRE(one.far.received + other.far.received == 2);
  CHECK(unseen == 0);
}

}  // namespace
}  // namespace outrigger::net
