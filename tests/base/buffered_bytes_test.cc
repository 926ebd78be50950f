#include "proxy/base/buffered_bytes.h"

#include <optional>

#include "tests/support/catch.h"

namespace outrigger {

TEST_CASE("what is held is counted once, and no more when its holder goes") {
  BufferedBytes count;
  std::optional<BufferCharge> one(&count);
  BufferCharge other(&count);
  one->set(100);
  other.set(50);
  one->set(30);
  CHECK(count.value() == 80);
  one.reset();
  CHECK(count.value() == 50);
  other.move_to(nullptr);
  other.set(10);
  CHECK(count.value() == 0);
}

TEST_CASE("a share is a part of what is left, and enough to go on with") {
  BufferedBytes count;
  count.set_bound(64 << 20);
  CHECK(count.share() == 1 << 20);
  BufferCharge most(&count);
  most.set(32 << 20);
  CHECK(count.share() == 512 << 10);
  most.set((64 << 20) - 1);
  CHECK(count.share() == 4096);
  most.set(std::size_t{1} << 40);
  CHECK(count.share() == 4096);
}

TEST_CASE("memory is scarce at twice the bound") {
  BufferedBytes count;
  BufferCharge charge(&count);
  charge.set(1000);
  CHECK_FALSE(count.scarce());  // there is no bound
  count.set_bound(501);
  CHECK_FALSE(count.scarce());
  count.set_bound(500);
  CHECK(count.scarce());
}

}  // namespace outrigger
