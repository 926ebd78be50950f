#include "proxy/net/write_batch.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <vector>

#include "tests/net/sockets.h"

namespace outrigger::net {
namespace {

using namespace std::chrono_literals;

// A connection whose near end gathers its small writes in any turn.
struct PatientPair : Pair {
  explicit PatientPair(Loop& loop) : Pair(loop) { near.stream->set_patient(true); }
};

// Runs `task` within a turn of the loop, before it polls.
void in_a_turn(Loop& loop, const std::function<void()>& task) {
  struct Task final : Deferred {
    explicit Task(const std::function<void()>& what) : run(what) {}
    void run_deferred() override { run(); }
    const std::function<void()>& run;
  } deferred{task};
  loop.defer(deferred);
  loop.run_once(false);
}

TEST_CASE("a small write leaves at the end of its turn, and counts as queued until then") {
  Loop loop;
  PatientPair pair{loop};
  in_a_turn(loop, [&] {
    CHECK(pair.near.stream->write("question"));
    CHECK(pair.near.stream->queued() == 8);
    CHECK(pair.near.stream->bytes_taken() == 0);
    CHECK_FALSE(pair.near.stream->blocked());
  });
  CHECK(pair.near.stream->queued() == 0);
  CHECK(pair.near.stream->bytes_taken() == 8);
  REQUIRE(run_until(loop, [&] { return pair.far.got == "question"; }));
}

TEST_CASE("a large write leaves at once, and behind what small ones have left") {
  Loop loop;
  PatientPair pair{loop};
  const std::string large(WriteBatch::kLargestWrite + 1, 'x');
  in_a_turn(loop, [&] {
    pair.near.stream->write("a");
    pair.near.stream->write("b");
    CHECK(pair.near.stream->bytes_taken() == 1);
    pair.near.stream->write(large);
    CHECK(pair.near.stream->bytes_taken() == 2 + large.size());
    pair.near.stream->write("c");
  });
  REQUIRE(run_until(loop, [&] { return pair.far.got == "ab" + large + "c"; }));
}

TEST_CASE("what was to leave at the end of the turn leaves sooner when it is asked for") {
  Loop loop;
  PatientPair pair{loop};
  in_a_turn(loop, [&] {
    pair.near.stream->write("now");
    pair.near.stream->send_batched();
    CHECK(pair.near.stream->bytes_taken() == 3);
    CHECK(pair.near.stream->queued() == 0);
  });
  REQUIRE(run_until(loop, [&] { return pair.far.got == "now"; }));
}

TEST_CASE("a stream that is destroyed takes with it what had not left") {
  Loop loop;
  PatientPair pair{loop};
  PatientPair other{loop};
  in_a_turn(loop, [&] {
    pair.near.stream->write("never");
    other.near.stream->write("this one");
    SECTION("closed") {
      pair.near.stream.reset();
    }
    SECTION("reset") {
      pair.near.stream->reset();
      CHECK(pair.near.stream->bytes_taken() == 0);
    }
  });
  REQUIRE(run_until(loop, [&] { return pair.far.ended() && other.far.got == "this one"; }));
  CHECK(pair.far.got.empty());
}

TEST_CASE("a graceful end takes what had not left along") {
  Loop loop;
  PatientPair pair{loop};
  in_a_turn(loop, [&] {
    pair.near.stream->write("bye");
    SECTION("of the stream") {
      pair.near.stream->close_when_drained(1s);
    }
    SECTION("of what it sends") {
      pair.near.stream->shutdown_when_drained();
    }
  });
  REQUIRE(run_until(loop, [&] { return pair.far.eof; }));
  CHECK(pair.far.got == "bye");
}

TEST_CASE("more writes than a batch holds leave in several batches of one turn") {
  Loop loop;
  const bool many = GENERATE(true, false);
  const std::string text(many ? 1 : WriteBatch::kLargestWrite, 'x');
  const std::size_t fill = many ? WriteBatch::kMaxWrites : WriteBatch::kMaxBytes / text.size();
  std::vector<std::unique_ptr<PatientPair>> pairs;
  for (std::size_t i = 0; i < fill + 2; ++i) pairs.push_back(std::make_unique<PatientPair>(loop));
  const auto sent = [&] {
    return std::ranges::count_if(
        pairs, [](const auto& pair) { return pair->near.stream->bytes_taken() > 0; });
  };
  in_a_turn(loop, [&] {
    for (std::size_t i = 0; i < fill; ++i) pairs[i]->near.stream->write(text);
    CHECK(sent() == 0);
    pairs[fill]->near.stream->write(text);
    pairs[fill + 1]->near.stream->write(text);
    CHECK(sent() == static_cast<std::ptrdiff_t>(fill));
  });
  CHECK(sent() == static_cast<std::ptrdiff_t>(fill + 2));
  REQUIRE(run_until(loop, [&] {
    return std::ranges::all_of(pairs, [&](const auto& pair) { return pair->far.got == text; });
  }));
}

TEST_CASE("a small write that the kernel does not take is told, and arrives in its place") {
  Loop loop;
  PatientPair pair{loop};
  pair.far.stream->stop_reading();
  std::string all;
  while (!pair.near.stream->blocked()) {
    CHECK(pair.near.blocks == 0);
    const std::string page(WriteBatch::kLargestWrite, static_cast<char>('a' + all.size() % 23));
    all += page;
    in_a_turn(loop, [&] {
      CHECK(pair.near.stream->write(page));
      REQUIRE_FALSE(pair.near.stream->blocked());
    });
  }
  CHECK(pair.near.blocks == 1);
  pair.far.stream->start_reading();
  REQUIRE(run_until(loop, [&] { return pair.far.received == all.size(); }));
  CHECK(pair.far.got == all);
  CHECK_FALSE(pair.near.stream->blocked());
  CHECK(pair.near.blocks == 1);
}

TEST_CASE("a small write to a peer that is gone fails after its turn") {
  Loop loop;
  PatientPair pair{loop};
  pair.near.stream->stop_reading();
  pair.far.stream->reset();
  loop.run_once(false);
  while (!pair.near.ended()) {
    in_a_turn(loop, [&] {
      pair.near.stream->write("x");
      pair.near.stream->write("y");
      CHECK_FALSE(pair.near.ended());
    });
  }
  CHECK((pair.near.error == -EPIPE || pair.near.error == -ECONNRESET));
  CHECK(pair.near.stream->queued() == 0);
}

TEST_CASE("a small write waits for large ones of others, but not for many") {
  Loop loop;
  PatientPair pair{loop};
  PatientPair other{loop};
  const std::string large(64 * 1024, 'x');
  in_a_turn(loop, [&] {
    pair.near.stream->write("small");
    other.near.stream->write(large);
    CHECK(pair.near.stream->bytes_taken() == 0);
    for (std::size_t passed = 0; passed < WriteBatch::kMaxPassed; passed += large.size()) {
      other.near.stream->write(large);
    }
    CHECK(pair.near.stream->bytes_taken() == 5);
  });
}

TEST_CASE("what a timer writes has left when the turn is over") {
  Loop loop;
  PatientPair pair{loop};
  struct Writes final : TimerEvents {
    void on_timer(Timer&) override { stream->write("in time"); }
    Stream* stream = nullptr;
  } writes;
  writes.stream = pair.near.stream.get();
  Timer timer{loop, writes};
  timer.arm(loop.now());
  while (timer.armed()) loop.run_once(true);
  CHECK(pair.near.stream->bytes_taken() == 7);
}

TEST_CASE(
    "a small write leaves at once in a short turn, and waits in one that follows a long one") {
  Loop loop;
  Pair pair{loop};
  std::vector<std::unique_ptr<Pair>> callers;
  for (int i = 0; i < Loop::kLongTurn; ++i) callers.push_back(std::make_unique<Pair>(loop));
  const auto write_in_a_turn = [&] {
    const auto before = pair.near.stream->bytes_taken();
    std::uint64_t within = 0;
    in_a_turn(loop, [&] {
      pair.near.stream->write("x");
      within = pair.near.stream->bytes_taken() - before;
    });
    CHECK(pair.near.stream->bytes_taken() == before + 1);
    return within == 1;
  };
  pair.far.stream->stop_reading();
  CHECK(write_in_a_turn());
  for (const auto& caller : callers) caller->far.stream->write("all at once");
  loop.run_once(false);  // reads them
  REQUIRE(std::ranges::all_of(callers, [](const auto& each) { return each->near.received > 0; }));
  loop.run_once(false);  // sees how many they were
  CHECK_FALSE(write_in_a_turn());
  CHECK(write_in_a_turn());
}

}  // namespace
}  // namespace outrigger::net
