#include "proxy/http/chunked.h"

#include <algorithm>
#include <charconv>

#include "proxy/http/tokens.h"

namespace outrigger::http {
namespace {

using Event = ChunkDecoder::Event;

// Not what frames, routes, authorises or describes the content (RFC 9110, 6.5.1): every field the
// proxy acts on, and these.
bool may_trail(std::string_view name, Field id) {
  if (id != Field::Other) return false;
  static constexpr std::string_view kNever[] = {"age",
                                                "cache-control",
                                                "content-encoding",
                                                "content-language",
                                                "content-location",
                                                "content-range",
                                                "cookie",
                                                "expires",
                                                "forwarded",
                                                "if-match",
                                                "if-modified-since",
                                                "if-none-match",
                                                "if-range",
                                                "if-unmodified-since",
                                                "location",
                                                "pragma",
                                                "range",
                                                "set-cookie",
                                                "vary",
                                                "www-authenticate"};
  return std::ranges::none_of(
      kNever, [name](std::string_view never) { return equals_ignore_case(name, never); });
}

}  // namespace

void ChunkDecoder::reset(const ChunkLimits& limits) {
  limits_ = limits;
  state_ = State::Size;
  left_ = 0;
  extensions_ = 0;
  line_.clear();
  trailers_.reset();
}

Event ChunkDecoder::next(std::string_view& in, std::string_view& data) {
  const Event event = step(in, data);
  if (event == Event::Error) state_ = State::Broken;
  return event;
}

Event ChunkDecoder::step(std::string_view& in, std::string_view& data) {
  while (true) {
    switch (state_) {
      case State::Size: {
        const Event event = read_size_line(in);
        if (event != Event::Data) return event;
        break;
      }
      case State::Data:
        if (in.empty()) return Event::NeedMore;
        data = in.substr(0, std::min<std::uint64_t>(left_, in.size()));
        in.remove_prefix(data.size());
        left_ -= data.size();
        if (left_ == 0) state_ = State::DataCr;
        return Event::Data;
      case State::DataCr:
      case State::DataLf:
        if (in.empty()) return Event::NeedMore;
        if (in.front() != (state_ == State::DataCr ? '\r' : '\n')) return Event::Error;
        in.remove_prefix(1);
        state_ = state_ == State::DataCr ? State::DataLf : State::Size;
        break;
      case State::Trailers: {
        const Event event = read_trailers(in);
        if (event != Event::Done) return event;
        state_ = State::Done;
        break;
      }
      case State::Done:
        return Event::Done;
      case State::Broken:
        return Event::Error;
    }
  }
}

// Data: a whole line was taken, and the state says what follows.
Event ChunkDecoder::read_size_line(std::string_view& in) {
  const auto lf = in.find('\n');
  const std::string_view piece = in.substr(0, lf == std::string_view::npos ? lf : lf + 1);
  if (line_.size() + piece.size() > kMaxLine) return Event::Error;
  if (lf == std::string_view::npos) {
    line_.append(piece);
    in = {};
    return Event::NeedMore;
  }
  bool good = false;
  if (line_.empty()) {
    good = take_size(piece);
  } else {
    line_.append(piece);
    good = take_size(line_);
    line_.clear();
  }
  in.remove_prefix(piece.size());
  return good ? Event::Data : Event::Error;
}

bool ChunkDecoder::take_size(std::string_view line) {
  if (!line.ends_with("\r\n")) return false;
  line.remove_suffix(2);
  std::uint64_t size = 0;
  const auto result = std::from_chars(line.data(), line.data() + line.size(), size, 16);
  const auto digits = static_cast<std::size_t>(result.ptr - line.data());
  if (result.ec != std::errc{} || digits == 0 || digits > kMaxDigits) return false;
  std::string_view extension = line.substr(digits);
  extensions_ += extension.size();
  if (extensions_ > limits_.max_chunk_extension_bytes || !is_field_value(extension)) return false;
  extension = trimmed(extension);
  if (!extension.empty() && extension.front() != ';') return false;
  if (extension.empty() && digits != line.size()) return false;
  left_ = size;
  state_ = size > 0 ? State::Data : State::Trailers;
  return true;
}

Event ChunkDecoder::read_trailers(std::string_view& in) {
  // The usual end: no trailer at all.
  if (!trailers_ && in.starts_with("\r\n")) {
    in.remove_prefix(2);
    return Event::Done;
  }
  if (in.empty()) return Event::NeedMore;
  if (!trailers_) trailers_ = std::make_unique<Trailers>();
  auto& block = trailers_->block;
  const std::size_t before = block.size();
  block.append(in);
  if (block == "\r") {
    in = {};
    return Event::NeedMore;
  }
  if (block.starts_with("\r\n")) {
    in.remove_prefix(2 - before);
    trailers_.reset();
    return Event::Done;
  }
  const auto outcome = trailers_->scanner.scan(block, limits_.max_trailer_bytes);
  if (outcome.kind == HeadScanner::Outcome::Kind::Error) return Event::Error;
  if (outcome.kind == HeadScanner::Outcome::Kind::NeedMore) {
    in = {};
    return Event::NeedMore;
  }
  in.remove_prefix(outcome.length - before);
  block.resize(outcome.length);
  return take_trailers(block) ? Event::Done : Event::Error;
}

bool ChunkDecoder::take_trailers(std::string_view block) {
  std::size_t count = 0;
  while (block != "\r\n") {
    const auto end = block.find("\r\n");
    const std::string_view line = block.substr(0, end);
    block.remove_prefix(end + 2);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return false;
    if (++count > kMaxTrailers) return false;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (!is_field_value(value)) return false;
    const Field id = field_id(name);
    if (may_trail(name, id)) trailers_->fields.add(name, value, id);
  }
  if (trailers_->fields.size() == 0) trailers_.reset();
  return true;
}

}  // namespace outrigger::http
