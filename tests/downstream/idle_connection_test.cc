// What a caller that waits between two requests costs in user memory.

#include "proxy/downstream/connection.h"
#include "proxy/net/transport.h"
#include "tests/support/catch.h"

namespace outrigger::downstream {
namespace {

// As the C library gives it out: a word of its own, in steps of two words.
constexpr std::size_t block(std::size_t size) {
  return (size + sizeof(std::size_t) + 15) / 16 * 16;
}

// libuv's table of descriptors, which doubles.
constexpr std::size_t kPerDescriptor = 2 * sizeof(void*);

TEST_CASE("an idle caller's connection costs at most 640 bytes") {
  constexpr std::size_t all = block(sizeof(Connection)) + block(sizeof(net::Stream)) +
                              block(sizeof(net::Transport)) + kPerDescriptor;
  STATIC_REQUIRE(all <= 640);
}

}  // namespace
}  // namespace outrigger::downstream
