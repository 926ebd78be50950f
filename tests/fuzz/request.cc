// Requests, one after another, fed whole and in pieces: the same messages either way, and what is
// forwarded means to the next reader what it meant here.
#include "proxy/http/out_buffer.h"
#include "proxy/http/writer.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/transcript.h"

namespace outrigger::fuzz {
namespace {

void forwards_the_same(const http::RequestHead& head) {
  http::OutBuffer out;
  const std::string_view host = head.authority.empty() ? "endpoint" : "";  // as an exchange does
  http::write_request_head(
      out, head, {.request_id = "id", .forwarded_append = true, .via = true, .host = host});
  http::HeadScanner scanner;
  const auto outcome = scanner.scan(out.view(), SIZE_MAX);
  INVARIANT(outcome.kind == http::HeadScanner::Outcome::Kind::Complete);
  INVARIANT(outcome.length == out.size());
  http::RequestHead again;
  const http::RequestLimits no_limits{.max_headers = SIZE_MAX, .max_uri_bytes = SIZE_MAX};
  INVARIANT(http::parse_request(out.view(), no_limits, again) == http::HeadError::None);
  INVARIANT(again.method == head.method);
  INVARIANT(again.target == head.target);
  INVARIANT(again.authority == (host.empty() ? head.authority : host));
  INVARIANT(again.framing == head.framing);
  INVARIANT(again.content_length == head.content_length);
  INVARIANT(again.keep_alive && again.upgrade.empty() && !again.absolute_form);
}

void target(std::string_view input) {
  RequestTranscript whole;
  whole.on_head = forwards_the_same;
  whole.feed(input);
  RequestTranscript pieces;
  reads_the_same_in_pieces(input, whole, pieces);
}

}  // namespace
}  // namespace outrigger::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  outrigger::fuzz::target(outrigger::fuzz::text_of(data, size));
  return 0;
}
