#include "proxy/base/pool.h"

#include "tests/support/catch.h"

namespace outrigger {
namespace {

struct Counted {
  explicit Counted(int& alive) : alive_(alive) { ++alive_; }
  ~Counted() { --alive_; }

 private:
  int& alive_;
};

struct Crowd {
  explicit Crowd(int size) {
    for (int i = 0; i < size; ++i) taken.push_back(pool.take(alive));
  }
  void give_back(std::size_t count) {
    for (; count > 0; --count) {
      pool.keep(std::move(taken.back()));
      taken.pop_back();
    }
  }

  int alive = 0;
  Pool<Counted, 100> pool;
  std::vector<std::unique_ptr<Counted>> taken;
};

TEST_CASE("what was given back is used again") {
  Crowd crowd{1};
  const Counted* first = crowd.taken.front().get();
  crowd.give_back(1);
  CHECK(crowd.pool.take(crowd.alive).get() == first);
}

TEST_CASE("a pool keeps no more than its bound") {
  Crowd crowd{120};
  crowd.give_back(120);
  CHECK(crowd.alive == 100);
}

TEST_CASE("trimming destroys what has waited longest") {
  Crowd crowd{10};
  const Counted* last = crowd.taken.front().get();
  crowd.give_back(10);
  crowd.pool.trim(1);
  crowd.pool.trim(1);
  CHECK(crowd.alive == 1);
  CHECK(crowd.pool.take(crowd.alive).get() == last);
}

TEST_CASE("trimming keeps what was needed since the last time") {
  Crowd crowd{50};
  crowd.give_back(50);
  crowd.pool.trim(5);  // all were out
  CHECK(crowd.alive == 50);
  for (int i = 0; i < 30; ++i) crowd.taken.push_back(crowd.pool.take(crowd.alive));
  crowd.give_back(30);
  crowd.pool.trim(5);  // twenty never were
  CHECK(crowd.alive == 35);
  crowd.pool.trim(5);
  CHECK(crowd.alive == 5);
}

}  // namespace
}  // namespace outrigger
