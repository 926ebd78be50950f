#include "proxy/policy/stable_hash.h"

#include <string>

#include "tests/support/catch.h"

namespace outrigger::policy {

TEST_CASE("the stable hash is XXH64, which other programs can compute too") {
  CHECK(StableHash::of("") == 0xef46db3751d8e999);
  CHECK(StableHash::of("a") == 0xd24ec4f1a98c6e5b);
  CHECK(StableHash::of("abc") == 0x44bc2cf5ad770999);
  CHECK(StableHash::of("Nobody inspects the spammish repetition") == 0xfbcea83c8a378bf1);
  CHECK(StableHash::of("xxhash", 20141025) == 0xb559b98d844e0635);
}

TEST_CASE("a second hash of a key differs with its seed") {
  const auto hash = StableHash::of("key");
  CHECK(StableHash::of(hash, 1) != hash);
  CHECK(StableHash::of(hash, 1) != StableHash::of(hash, 2));
}

}  // namespace outrigger::policy
