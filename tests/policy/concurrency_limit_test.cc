#include "proxy/policy/concurrency_limit.h"

#include "tests/policy/dies.h"
#include "tests/support/catch.h"

namespace outrigger::policy {

TEST_CASE("a limit lets exactly max_requests in, and one more for each that leaves") {
  ConcurrencyLimit limit(3, 100);
  for (int i = 0; i < 3; ++i) CHECK(limit.try_acquire());
  CHECK_FALSE(limit.has_room());
  CHECK_FALSE(limit.try_acquire());
  CHECK(limit.requests() == 3);
  CHECK(limit.connections() == 3);

  limit.release();
  CHECK(limit.has_room());
  CHECK(limit.try_acquire());
  CHECK_FALSE(limit.try_acquire());
}

TEST_CASE("a refusal takes neither place") {
  ConcurrencyLimit limit(5, 1);
  CHECK(limit.try_acquire());
  CHECK_FALSE(limit.try_acquire());
  CHECK(limit.requests() == 1);
  CHECK(limit.connections() == 1);
}

TEST_CASE("an upgraded connection counts only as a connection") {
  ConcurrencyLimit limit(1, 2);
  CHECK(limit.try_acquire());
  limit.release_request_keep_connection();
  CHECK(limit.requests() == 0);
  CHECK(limit.connections() == 1);
  CHECK(limit.try_acquire());  // its request place is free again
  limit.release_request_keep_connection();
  CHECK_FALSE(limit.try_acquire());  // two tunnels: no connection is left
  limit.release_connection();
  CHECK(limit.try_acquire());
}

TEST_CASE("a lowered limit waits for those who are in; a raised one lets more in at once") {
  ConcurrencyLimit limit(3, 3);
  for (int i = 0; i < 3; ++i) CHECK(limit.try_acquire());
  limit.configure(1, 3);
  limit.release();
  limit.release();
  CHECK_FALSE(limit.try_acquire());
  limit.release();
  CHECK(limit.try_acquire());
  limit.configure(2, 3);
  CHECK(limit.try_acquire());
}

TEST_CASE("a place given back twice is a bug of ours") {
  CHECK(dies([] { ConcurrencyLimit(1, 1).release(); }));
  CHECK(dies([] { ConcurrencyLimit(1, 1).release_connection(); }));
  CHECK(dies([] {
    ConcurrencyLimit limit(1, 1);
    limit.try_acquire();
    limit.release_connection();  // while its request is on it
  }));
}

}  // namespace outrigger::policy
