// The bytes of one body, whatever its framing, as views into what was read.
#pragma once

#include <algorithm>
#include <string_view>

#include "proxy/http/chunked.h"
#include "proxy/http/message.h"

namespace outrigger::http {

class BodyReader {
 public:
  using Event = ChunkDecoder::Event;

  void start(Framing framing, std::uint64_t content_length, const ChunkLimits& limits = {}) {
    framing_ = framing;
    left_ = framing == Framing::Length ? content_length : 0;
    if (framing == Framing::Chunked) chunks_.reset(limits);
  }

  // Takes from the front of `in`, never more than the body. Data: call again. Done: `in` holds
  // what follows. UntilClose is never done; the end of the stream is its end.
  Event next(std::string_view& in, std::string_view& data) {
    switch (framing_) {
      case Framing::None:
        return Event::Done;
      case Framing::Chunked:
        return chunks_.next(in, data);
      case Framing::Length:
        if (left_ == 0) return Event::Done;
        if (in.empty()) return Event::NeedMore;
        data = in.substr(0, std::min<std::uint64_t>(left_, in.size()));
        left_ -= data.size();
        break;
      case Framing::UntilClose:
        if (in.empty()) return Event::NeedMore;
        data = in;
        break;
    }
    in.remove_prefix(data.size());
    return Event::Data;
  }

  Framing framing() const { return framing_; }
  // Of a body with a length.
  std::uint64_t remaining() const { return left_; }
  // Null where there are none; valid until the next start().
  const Headers* trailers() const {
    return framing_ == Framing::Chunked ? chunks_.trailers() : nullptr;
  }

 private:
  Framing framing_ = Framing::None;
  std::uint64_t left_ = 0;
  ChunkDecoder chunks_;
};

}  // namespace outrigger::http
