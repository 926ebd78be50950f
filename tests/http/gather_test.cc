#include "proxy/http/gather.h"

#include <string>

#include "tests/support/allocations.h"
#include "tests/support/catch.h"

using namespace outrigger::http;

namespace {

std::string joined(Gather& gather) {
  std::string all;
  for (const auto piece : gather.pieces()) all += piece;
  return all;
}

}  // namespace

TEST_CASE("own text and others' bytes leave in order") {
  Gather::Spare spare;
  Gather gather{spare};
  CHECK(gather.empty());
  gather.text().append("head ");
  gather.text().append("more ");
  const std::string body(GatherStore::kMostCopied + 1, 'b');
  gather.add(body);
  gather.add("");
  gather.text().append(" end");
  CHECK_FALSE(gather.empty());
  REQUIRE(gather.pieces().size() == 3);
  CHECK(gather.pieces()[1].data() == body.data());
  CHECK(joined(gather) == "head more " + body + " end");
  gather.clear();
  CHECK(gather.empty());
  CHECK(joined(gather).empty());
}

TEST_CASE("few bytes leave with the text, in one piece") {
  Gather::Spare spare;
  Gather gather{spare};
  const std::string body(GatherStore::kMostCopied, 'b');
  gather.text().append("head ");
  gather.add(body);
  gather.add(" end");
  REQUIRE(gather.pieces().size() == 1);
  CHECK(joined(gather) == "head " + body + " end");
}

TEST_CASE("small chunks are gathered up to a bound, and without an allocation once warm") {
  for (const std::size_t size : {std::size_t{1}, std::size_t{100}, GatherStore::kMostCopied}) {
    CAPTURE(size);
    Gather::Spare spare;
    Gather gather{spare};
    const std::string body(size, 'b');
    const auto fill = [&] {
      std::size_t chunks = 0;
      for (; !gather.full(); ++chunks) {
        gather.text().append("size\r\n");
        gather.add(body);
        gather.text().append("\r\n");
      }
      return chunks;
    };
    const std::size_t chunks = fill();
    std::string expected;
    for (std::size_t i = 0; i < chunks; ++i) expected += "size\r\n" + body + "\r\n";
    CHECK(joined(gather) == expected);
    CHECK(expected.size() < 100'000);
    gather.clear();
    const auto before = outrigger::test::allocations();
    CHECK(fill() == chunks);
    CHECK(outrigger::test::allocations() == before);
  }
}

TEST_CASE("text that moves as it grows stays in its places") {
  Gather::Spare spare;
  Gather gather{spare};
  std::string expected;
  const std::string body(GatherStore::kMostCopied + 1, 'b');
  while (!gather.full()) {
    const std::string own(200, static_cast<char>('a' + expected.size() % 26));
    gather.text().append(own);
    gather.add(body);
    expected += own + body;
  }
  gather.text().append("end");
  CHECK(joined(gather) == expected + "end");
  CHECK(gather.pieces().size() <= Gather::kMaxPieces);
}

TEST_CASE("several share their stores, each with its own text and empty when it is cleared") {
  Gather::Spare spare;
  Gather one{spare}, other{spare};
  one.text().append("one");
  other.text().append("other");
  CHECK(joined(one) == "one");
  CHECK(joined(other) == "other");
  one.clear();
  other.add("body");
  one.text().append("again");
  CHECK(joined(other) == "otherbody");
  CHECK(joined(one) == "again");
  other.clear();
  CHECK(other.empty());
  CHECK(joined(one) == "again");
}
