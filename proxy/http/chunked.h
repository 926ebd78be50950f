// A strict decoder of the chunked coding (RFC 9112, 7.1): bytes in, body bytes out as views.
//
// Ours rather than llhttp's, so that there is one reading of a size line: hex digits, CRLF,
// extensions bounded and dropped. Trailer fields that frame, route or authorise are left out.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "proxy/http/head_scanner.h"
#include "proxy/http/headers.h"

namespace outrigger::http {

// Of one body; beyond them it is malformed.
struct ChunkLimits {
  std::size_t max_chunk_extension_bytes = 16 * 1024;
  std::size_t max_trailer_bytes = 8 * 1024;
};

class ChunkDecoder {
 public:
  static constexpr std::size_t kMaxDigits = 15;
  static constexpr std::size_t kMaxLine = 256;  // a size with its extension
  static constexpr std::size_t kMaxTrailers = 64;

  enum class Event : std::uint8_t { Data, NeedMore, Done, Error };

  void reset(const ChunkLimits& limits = {});
  // Takes from the front of `in`. Data: `data` is a view into what was `in`; call again. Done:
  // last chunk and trailers are through, `in` holds what follows. Error lasts until reset().
  Event next(std::string_view& in, std::string_view& data);
  // Null where there are none. Valid at Done, until reset().
  const Headers* trailers() const { return trailers_ ? &trailers_->fields : nullptr; }

 private:
  enum class State : std::uint8_t { Size, Data, DataCr, DataLf, Trailers, Done, Broken };
  struct Trailers {
    std::string block;
    HeadScanner scanner;
    Headers fields;
  };

  Event step(std::string_view& in, std::string_view& data);
  Event read_size_line(std::string_view& in);
  Event read_trailers(std::string_view& in);
  bool take_size(std::string_view line);
  bool take_trailers(std::string_view block);

  State state_ = State::Size;
  ChunkLimits limits_;
  std::uint64_t left_ = 0;
  std::size_t extensions_ = 0;
  std::string line_;  // a size line that came in pieces
  std::unique_ptr<Trailers> trailers_;
};

}  // namespace outrigger::http
