#include "proxy/metrics/families.h"

#include <prometheus/text_serializer.h>

#include "tests/support/catch.h"

namespace outrigger::metrics {
namespace {

std::string shown(Family family) {
  return prometheus::TextSerializer{}.Serialize({family.take()});
}

TEST_CASE("valid UTF-8 stays as it is") {
  for (const std::string text : {"", "plain", "zähler", "價格", "\U0001f6a4", "a\"b\\c\nd",
                                 "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    CAPTURE(text);
    CHECK(valid_utf8(text) == text);
  }
}

TEST_CASE("each byte that cannot stand in UTF-8 becomes U+FFFD") {
  const std::string bad = "\xef\xbf\xbd";
  CHECK(valid_utf8("a\xff"
                   "b") == "a" + bad + "b");
  CHECK(valid_utf8("\x80") == bad);                                // a continuation alone
  CHECK(valid_utf8("\xc3") == bad);                                // cut short
  CHECK(valid_utf8("\xe2\x82") == bad + bad);                      //
  CHECK(valid_utf8("\xc3(") == bad + "(");                         //
  CHECK(valid_utf8("\xc0\xaf") == bad + bad);                      // overlong
  CHECK(valid_utf8("\xe0\x80\xaf") == bad + bad + bad);            //
  CHECK(valid_utf8("\xf0\x80\x80\x80") == bad + bad + bad + bad);  //
  CHECK(valid_utf8("\xed\xa0\x80") == bad + bad + bad);            // a surrogate
  CHECK(valid_utf8("\xf4\x90\x80\x80") == bad + bad + bad + bad);  // beyond U+10FFFF
  CHECK(valid_utf8("\xf5") == bad);
}

TEST_CASE("odd names are escaped in label values and cannot break out of them") {
  CHECK(shown(std::move(gauge("g", "help").add({{"name", "a\"} 1\nb\\c\xff"}}, 2))) ==
        "# HELP outrigger_g help\n# TYPE outrigger_g gauge\n"
        "outrigger_g{name=\"a\\\"} 1\\nb\\\\c\xef\xbf\xbd\"} 2\n");
}

TEST_CASE("names get the prefix, except the process's own") {
  CHECK(shown(std::move(counter("x_total", "h").add({}, 3))) ==
        "# HELP outrigger_x_total h\n# TYPE outrigger_x_total counter\noutrigger_x_total 3\n");
  CHECK(shown(std::move(gauge("process_open_fds", "h").add({}, 4))) ==
        "# HELP process_open_fds h\n# TYPE process_open_fds gauge\nprocess_open_fds 4\n");
}

TEST_CASE("large counts are shown whole") {
  CHECK(shown(std::move(counter("x_total", "h").add({}, 123456789012.0)))
            .ends_with("outrigger_x_total 123456789012\n"));
}

TEST_CASE("a histogram is shown cumulated, with +Inf and its count") {
  exchange::HistogramLive histogram;
  histogram.buckets[0] = 2;
  histogram.buckets[3] = 1;
  histogram.buckets.back() = 4;
  histogram.sum = 1.5;
  const std::string page =
      shown(std::move(metrics::histogram("h_seconds", "h").add({{"l", "x"}}, histogram)));
  for (const std::string line :
       {"outrigger_h_seconds_count{l=\"x\"} 7\n", "outrigger_h_seconds_sum{l=\"x\"} 1.5\n",
        "outrigger_h_seconds_bucket{l=\"x\",le=\"0.0005\"} 2\n",
        "outrigger_h_seconds_bucket{l=\"x\",le=\"0.0025\"} 2\n",
        "outrigger_h_seconds_bucket{l=\"x\",le=\"0.005\"} 3\n",
        "outrigger_h_seconds_bucket{l=\"x\",le=\"60\"} 3\n",
        "outrigger_h_seconds_bucket{l=\"x\",le=\"+Inf\"} 7\n"}) {
    CAPTURE(line);
    CHECK(page.find(line) != std::string::npos);
  }
}

}  // namespace
}  // namespace outrigger::metrics
