// Responses, one after another, fed whole and in pieces: the same messages either way, and what is
// passed on is framed to the next reader as it was meant.
//
// The first byte says what they answer: `H` a HEAD, `U` a request for an upgrade, else a GET.
#include "proxy/http/out_buffer.h"
#include "proxy/http/writer.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/transcript.h"

namespace outrigger::fuzz {
namespace {

using http::Framing;

void passes_on_the_same(const http::ResponseHead& head, const http::ResponseContext& context) {
  http::OutBuffer out;
  const bool chunked = head.framing == Framing::Chunked || head.framing == Framing::UntilClose;
  if (head.informational()) {
    http::write_informational(out, head);
  } else {
    http::write_response_head(out, head, {.request_id = "id", .chunked = chunked, .via = true});
  }
  http::HeadScanner scanner;
  const auto outcome = scanner.scan(out.view(), SIZE_MAX);
  INVARIANT(outcome.kind == http::HeadScanner::Outcome::Kind::Complete);
  INVARIANT(outcome.length == out.size());
  http::ResponseHead again;
  INVARIANT(http::parse_response(out.view(), context, SIZE_MAX, again) == http::HeadError::None);
  INVARIANT(again.status == head.status);
  INVARIANT(again.framing == (chunked ? Framing::Chunked : head.framing));
  INVARIANT(again.framing != Framing::Length || again.content_length == head.content_length);
}

void target(std::string_view input) {
  if (input.empty()) return;
  const http::ResponseContext context{.to_head = input.front() == 'H',
                                      .upgrade_requested = input.front() == 'U'};
  input.remove_prefix(1);
  ResponseTranscript whole;
  whole.context = [&] { return context; };
  whole.on_head = [&](const auto& head) { passes_on_the_same(head, context); };
  whole.feed(input);
  ResponseTranscript pieces;
  pieces.context = whole.context;
  reads_the_same_in_pieces(input, whole, pieces);
}

}  // namespace
}  // namespace outrigger::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  outrigger::fuzz::target(outrigger::fuzz::text_of(data, size));
  return 0;
}
