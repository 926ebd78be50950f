#include "proxy/access_log/line_ring.h"

#include <cstring>
#include <string>
#include <thread>

#include "proxy/base/random.h"
#include "tests/support/catch.h"

namespace outrigger::access_log {
namespace {

constexpr std::size_t kMost = 100;
constexpr std::size_t kSmall = 1000;

bool put(LineRing& ring, const std::string& line) {
  char* const place = ring.begin_line();
  if (!place) return false;
  std::memcpy(place, line.data(), line.size());
  ring.end_line(line.size());
  return true;
}

std::string take_all(LineRing& ring) {
  std::string all;
  for (auto lines = ring.lines(); !lines.empty(); lines = ring.lines()) {
    all += lines;
    ring.take(lines.size());
  }
  return all;
}

TEST_CASE("lines come out as they went in") {
  LineRing ring(kMost, kSmall);
  CHECK(ring.lines().empty());
  CHECK(put(ring, "one\n"));
  CHECK(put(ring, "two\n"));
  CHECK(ring.lines() == "one\ntwo\n");
  ring.take(4);
  CHECK(ring.lines() == "two\n");
  CHECK(take_all(ring) == "two\n");
  CHECK(ring.lost() == 0);
}

TEST_CASE("a line that is not ended is not seen") {
  LineRing ring(kMost, kSmall);
  REQUIRE(ring.begin_line());
  CHECK(ring.lines().empty());
}

TEST_CASE("beyond its size lines are lost and counted, and what was there stays whole") {
  LineRing ring(kMost, kSmall);
  const std::string line(99, 'x');
  std::string kept;
  int put_in = 0;
  while (put(ring, line + '\n')) {
    kept += line + '\n';
    ++put_in;
  }
  CHECK(put_in == 10);
  CHECK_FALSE(put(ring, "more\n"));
  CHECK(ring.lost() == 2);
  CHECK(take_all(ring) == kept);
  CHECK(put(ring, "again\n"));
  CHECK(take_all(ring) == "again\n");
}

TEST_CASE("a line that does not fit before the end begins at the start") {
  LineRing ring(kMost, kSmall);
  const std::string line = std::string(99, 'x') + '\n';
  for (int i = 0; i < 10; ++i) REQUIRE(put(ring, line));
  ring.take(300);
  CHECK(put(ring, "a\n"));
  CHECK(put(ring, "b\n"));
  CHECK(ring.lines().size() == 700);
  ring.take(700);
  CHECK(ring.lines() == "a\nb\n");
  CHECK(take_all(ring) == "a\nb\n");
}

TEST_CASE("wherever it was emptied there is room for a burst, and the writer is told in time") {
  for (std::size_t length = 1; length < kMost; ++length) {
    LineRing ring(kMost, kSmall);
    const std::string line = std::string(length - 1, 'x') + '\n';
    for (int i = 0; i < 100; ++i) {
      bool told = false;
      for (std::size_t used = 0; used <= kSmall / 2 - 2 * kMost; used += length) {
        REQUIRE(ring.begin_line());
        told = ring.end_line(length) || told;
      }
      CHECK(told);
      ring.look_again();
      take_all(ring);
      for (int one = 0; one < i % 7; ++one) {
        REQUIRE(put(ring, line));
        take_all(ring);
      }
    }
    CHECK(ring.lost() == 0);
  }
}

TEST_CASE("the writer is told once that a quarter is full, until it looks again") {
  LineRing ring(kMost, kSmall);
  int told = 0;
  const auto fill = [&](int lines) {
    for (int i = 0; i < lines; ++i) {
      if (ring.begin_line()) told += ring.end_line(100) ? 1 : 0;
    }
  };
  fill(2);
  CHECK(told == 0);
  fill(4);
  CHECK(told == 1);
  ring.look_again();
  fill(1);
  CHECK(told == 2);
}

TEST_CASE("lines of any length cross between two threads whole and in order") {
  LineRing ring(kMost, kSmall);
  constexpr int kLines = 200'000;
  std::thread worker([&ring] {
    Random random(3);
    for (int i = 0; i < kLines;) {
      const std::string number = std::to_string(i);
      std::string line = number + std::string(random.below(90), '.') + '\n';
      if (put(ring, line)) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  int expected = 0;
  bool whole = true;
  while (expected < kLines && whole) {
    std::string_view lines = ring.lines();
    const std::size_t size = lines.size();
    while (!lines.empty()) {
      const auto end = lines.find('\n');
      whole = whole && end != std::string_view::npos && std::stoi(std::string(lines)) == expected;
      ++expected;
      lines.remove_prefix(end + 1);
    }
    ring.take(size);
  }
  worker.join();
  CHECK(whole);
  CHECK(expected == kLines);
}

}  // namespace
}  // namespace outrigger::access_log
