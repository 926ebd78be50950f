#include "tests/fuzz/transcript.h"

#include <algorithm>

#include "proxy/base/check.h"
#include "tests/fuzz/fuzzing.h"

namespace outrigger::fuzz {
namespace {

// Of a response; as upstream connections take them.
constexpr std::size_t kMaxHeaders = 256;

}  // namespace

void Transcript::tell(const http::Headers& headers, std::string& text) {
  for (const http::HeaderField& field : headers.all()) {
    text.append(field.name).append(": ").append(field.value).append("\n");
  }
}

void Transcript::feed(std::string_view bytes) {
  for (bool going_on = true; going_on;) {
    switch (state_) {
      case State::Between:
        if (bytes.empty()) return;
        state_ = State::Head;
        break;
      case State::Head:
        going_on = read_head(bytes);
        break;
      case State::Body:
      case State::UntilClose:
        going_on = read_body(bytes);
        break;
      case State::Raw:
        text_.append(bytes);
        return;
      case State::Broken:
        return;
    }
  }
}

// False when more bytes are needed.
bool Transcript::read_head(std::string_view& in) {
  using Kind = http::HeadScanner::Outcome::Kind;
  const std::size_t before = partial_.size();
  partial_.append(in);
  const auto outcome = scanner_.scan(partial_, kMaxHead);
  if (outcome.kind == Kind::NeedMore) return false;
  error_ = outcome.error;
  Body body;
  if (outcome.kind == Kind::Complete) {
    INVARIANT(outcome.length > before && outcome.length <= partial_.size());
    in.remove_prefix(outcome.length - before);
    error_ = take_head(std::string_view(partial_).substr(0, outcome.length), body, text_);
  }
  scanner_.reset();
  partial_.clear();
  if (error_ != http::HeadError::None) {
    text_.append("head refused ").append(std::to_string(static_cast<int>(error_)));
    state_ = State::Broken;
    return false;
  }
  if (body.informational) {
    state_ = State::Between;
    return true;
  }
  ++messages_;
  body_at_ = text_.size();
  if (state_ == State::Raw) return true;
  body_.start(body.framing, body.length);
  state_ = body.raw                                    ? State::Raw
           : body.framing == http::Framing::UntilClose ? State::UntilClose
                                                       : State::Body;
  return true;
}

bool Transcript::read_body(std::string_view& in) {
  std::string_view data;
  switch (body_.next(in, data)) {
    case http::BodyReader::Event::Data:
      text_.append(data);
      return true;
    case http::BodyReader::Event::NeedMore:
      INVARIANT(in.empty());
      return false;
    case http::BodyReader::Event::Done:
      if (on_whole) on_whole(body());
      if (body_.trailers()) tell(*body_.trailers(), text_);
      text_.append("\nend\n");
      if (state_ == State::Body) state_ = State::Between;
      return true;
    case http::BodyReader::Event::Error:
      text_.append("body refused");
      state_ = State::Broken;
      return false;
  }
  return false;
}

http::HeadError RequestTranscript::take_head(std::string_view block, Body& body,
                                             std::string& text) {
  head_.clear();
  const auto error = http::parse_request(block, limits_, head_);
  if (error != http::HeadError::None) return error;
  text.append(head_.method).append(" ").append(head_.target).append(" ");
  text.append(head_.authority).append(" ").append(head_.upgrade);
  text.append(head_.keep_alive ? " keep" : " close").append("\n");
  tell(head_.headers, text);
  body = {.framing = head_.framing, .length = head_.content_length};
  if (on_head) on_head(head_);
  return error;
}

http::HeadError ResponseTranscript::take_head(std::string_view block, Body& body,
                                              std::string& text) {
  head_.clear();
  const auto error = http::parse_response(block, context ? context() : http::ResponseContext{},
                                          kMaxHeaders, head_);
  if (error != http::HeadError::None) return error;
  text.append(std::to_string(head_.status)).append(head_.keep_alive ? " keep\n" : " close\n");
  tell(head_.headers, text);
  body = {.framing = head_.framing,
          .length = head_.content_length,
          .raw = head_.status == 101,
          .informational = head_.informational()};
  if (on_head) on_head(head_);
  return error;
}

void reads_the_same_in_pieces(std::string_view input, const Transcript& whole, Transcript& pieces) {
  Random random = random_of(input);
  in_pieces(input, random, 1 + random.below(16), [&](auto piece) { pieces.feed(piece); });
  INVARIANT(pieces.text() == whole.text());
  INVARIANT(pieces.state() == whole.state());
}

}  // namespace outrigger::fuzz
