#include "proxy/access_log/escape.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "proxy/base/random.h"
#include "tests/support/catch.h"

namespace outrigger::access_log {
namespace {

template <class Escape>
std::string escaped(Escape escape, std::string_view text) {
  std::vector<char> room(kMaxEscape * text.size() + 8);
  return {room.data(), escape(room.data(), text)};
}
std::string json(std::string_view text) {
  return escaped(escape_json, text);
}
std::string plain(std::string_view text) {
  return escaped(escape_text, text);
}

TEST_CASE("printable ASCII stays as it is, of any length") {
  std::string text;
  for (char c = ' '; c < 0x7f; ++c) {
    if (c != '"' && c != '\\') text += c;
    CHECK(json(text) == text);
    CHECK(plain(text) == text);
  }
}

TEST_CASE("what cannot stand in a line is escaped wherever it stands") {
  struct Row {
    std::string text, json, plain;
  };
  for (const Row& row :
       {Row{"\"", R"(\")", R"(\")"},
        {"\\", R"(\\)", R"(\\)"},
        {"\n", R"(\u000a)", R"(\x0a)"},
        {"\r", R"(\u000d)", R"(\x0d)"},
        {std::string(1, '\0'), R"(\u0000)", R"(\x00)"},
        {"\x1b", R"(\u001b)", R"(\x1b)"},
        {"\x7f", R"(\u007f)", R"(\x7f)"},
        {"\xff", R"(\ufffd)", R"(\xff)"},
        {"\xc3", R"(\ufffd)", R"(\xc3)"},
        {"\xc3\xa9", "\xc3\xa9", "\xc3\xa9"},              // é
        {"\xe2\x82\xac", "\xe2\x82\xac", "\xe2\x82\xac"},  // €
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"\xc2\x85", R"(\u0085)", R"(\xc2\x85)"},          // next line
        {"\xe2\x80\xa8", R"(\u2028)", R"(\xe2\x80\xa8)"},  // line separator
        {"\xe2\x80\xae", R"(\u202e)", R"(\xe2\x80\xae)"},  // right to left
        {"\xc0\xaf", R"(\ufffd\ufffd)", R"(\xc0\xaf)"},    // not the shortest
        {"\xe0\x80\xaf", R"(\ufffd\ufffd\ufffd)", R"(\xe0\x80\xaf)"},
        {"\xed\xa0\x80", R"(\ufffd\ufffd\ufffd)", R"(\xed\xa0\x80)"},
        {"\xf4\x90\x80\x80", R"(\ufffd\ufffd\ufffd\ufffd)", R"(\xf4\x90\x80\x80)"}}) {
    for (std::size_t before = 0; before < 20; ++before) {
      for (std::size_t after = 0; after < 10; ++after) {
        const std::string a(before, 'a'), b(after, 'b');
        CHECK(json(a + row.text + b) == a + row.json + b);
        CHECK(plain(a + row.text + b) == a + row.plain + b);
      }
    }
  }
}

TEST_CASE("any bytes make valid JSON on one line") {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (auto left = random.below(40); left > 0; --left) {
      text += static_cast<char>(random.below(2) == 0 ? random.below(256) : 'a' + random.below(26));
    }
    const std::string line = '"' + json(text) + '"';
    CHECK(nlohmann::json::accept(line));
    CHECK(line.find('\n') == std::string::npos);
  }
}

TEST_CASE("text is cut between two characters") {
  CHECK(cut("abc", 3) == "abc");
  CHECK(cut("abcd", 3) == "abc");
  CHECK(cut("ab\xc3\xa9", 4) == "ab\xc3\xa9");
  CHECK(cut("ab\xc3\xa9", 3) == "ab");
  CHECK(cut("a\xe2\x82\xac", 3) == "a");
  CHECK(cut("\xf0\x9f\x98\x80z", 3) == "");
  CHECK(cut("\x80\x80\x80\x80\x80\x80\x80\x80", 6).size() >= 3);  // no character at all
}

}  // namespace
}  // namespace outrigger::access_log
