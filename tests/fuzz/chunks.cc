// A chunked body, decoded whole, in pieces and byte by byte: the same body, trailers, rest and
// verdict; written anew it decodes to itself.
#include <string>

#include "proxy/http/chunked.h"
#include "proxy/http/out_buffer.h"
#include "proxy/http/writer.h"
#include "tests/fuzz/fuzzing.h"

namespace outrigger::fuzz {
namespace {

using Event = http::ChunkDecoder::Event;

struct Decoded {
  Event end = Event::NeedMore;
  std::string body;
  std::string trailers;
  std::size_t taken = 0;

  bool operator==(const Decoded&) const = default;
};

// `in` is fed until the decoder has come to an end.
void decode(http::ChunkDecoder& decoder, std::string_view in, Decoded& decoded) {
  while (decoded.end == Event::NeedMore) {
    const std::size_t before = in.size();
    std::string_view data;
    const Event event = decoder.next(in, data);
    decoded.taken += before - in.size();
    decoded.body.append(data);
    if (event == Event::Data) {
      INVARIANT(!data.empty());
      continue;
    }
    INVARIANT(data.empty());
    decoded.end = event;
    if (event == Event::NeedMore) break;
  }
  if (decoded.end == Event::NeedMore) INVARIANT(in.empty());
  // Where in the bytes an error is found depends on the cut; that there is one does not.
  if (decoded.end == Event::Error) decoded.taken = 0;
  if (decoded.end != Event::Done || !decoder.trailers()) return;
  decoded.trailers.clear();
  for (const auto& field : decoder.trailers()->all()) {
    decoded.trailers.append(field.name).append(": ").append(field.value).append("\n");
  }
}

Decoded decode(std::string_view input, std::uint32_t largest, Random& random) {
  http::ChunkDecoder decoder;
  Decoded decoded;
  in_pieces(input, random, largest, [&](auto piece) {
    if (decoded.end == Event::NeedMore) decode(decoder, piece, decoded);
  });
  return decoded;
}

void decodes_to_itself(const Decoded& decoded, const http::Headers* trailers, Random& random) {
  http::OutBuffer out;
  in_pieces(decoded.body, random, 64, [&](auto piece) {
    http::write_chunk_size(out, piece.size());
    out.append(piece);
    out.append("\r\n");
  });
  http::write_last_chunk(out, trailers);
  Decoded again = decode(out.view(), 32, random);
  INVARIANT(again.end == Event::Done && again.taken == out.size());
  INVARIANT(again.body == decoded.body && again.trailers == decoded.trailers);
}

void target(std::string_view input) {
  Random random = random_of(input);
  http::ChunkDecoder decoder;
  Decoded whole;
  if (!input.empty()) decode(decoder, input, whole);
  INVARIANT(decode(input, 1, random) == whole);
  INVARIANT(decode(input, 2 + random.below(32), random) == whole);
  if (whole.end == Event::Done) decodes_to_itself(whole, decoder.trailers(), random);
}

}  // namespace
}  // namespace outrigger::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  outrigger::fuzz::target(outrigger::fuzz::text_of(data, size));
  return 0;
}
