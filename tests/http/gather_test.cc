#include "proxy/http/gather.h"

#include <string>

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

TEST_CASE("few bytes leave with the text, in one piece, until it is full") {
  Gather::Spare spare;
  Gather gather{spare};
  std::string expected;
  const std::string body(GatherStore::kMostCopied, 'b');
  while (!gather.full()) {
    gather.text().append("head ");
    gather.add(body);
    gather.add("end");
    expected += "head " + body + "end";
    REQUIRE(expected.size() < 100'000);
  }
  REQUIRE(gather.pieces().size() == 1);
  CHECK(joined(gather) == expected);
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
