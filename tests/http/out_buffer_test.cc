#include "proxy/http/out_buffer.h"

#include "tests/support/allocations.h"
#include "tests/support/catch.h"

using namespace outrigger::http;

TEST_CASE("text and numbers are appended") {
  OutBuffer out;
  out.append("a");
  out.append_all(std::uint64_t{18446744073709551615u});
  out.append(" ");
  out.append_hex(0x1a2b);
  out.append_all(std::uint64_t{0});
  CHECK(out.view() == "a18446744073709551615 1a2b0");
  CHECK(out.size() == out.view().size());
}

TEST_CASE("a cleared buffer keeps its memory up to a bound") {
  OutBuffer out;
  out.append(std::string(8000, 'a'));
  out.clear();
  CHECK(out.size() == 0);
  const std::string again(8000, 'b');
  const auto before = outrigger::test::allocations();
  out.append(again);
  CHECK(outrigger::test::allocations() == before);
  CHECK(out.view() == again);

  const std::string large(100000, 'c');
  out.append(large);
  out.clear();
  const auto freed = outrigger::test::allocations();
  out.append(large);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(outrigger::test::allocations() > freed);
#else
  CHECK(freed == 0);
#endif
}
