// What a strict reader makes of one direction of a connection, as text that can be compared: heads
// in their parsed meaning, bodies, trailers, and how it ended.
//
// It reads as the proxy's own connections do, with their scanner, parser and body reader, so that
// feeding the same bytes in other cuts has to give the same text. The exchange's target reads with
// it what the proxy has written.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "proxy/http/body_reader.h"
#include "proxy/http/head_scanner.h"
#include "proxy/http/parser.h"

namespace outrigger::fuzz {

class Transcript {
 public:
  // Where it stands between two calls.
  enum class State : std::uint8_t {
    Between,  // before the first byte of a message
    Head,
    Body,
    UntilClose,  // in a body that only the end of the connection ends
    Raw,         // after an upgrade
    Broken,
  };

  void feed(std::string_view bytes);
  // What follows is no message any more.
  void go_raw() { state_ = State::Raw; }
  // Told of each message that is whole; `body` without its framing.
  std::function<void(std::string_view body)> on_whole;

  State state() const { return state_; }
  bool broken() const { return state_ == State::Broken; }
  const std::string& text() const { return text_; }
  // Of the newest message, as far as it has come.
  std::string_view body() const { return std::string_view(text_).substr(body_at_); }
  std::size_t messages() const { return messages_; }  // whole heads, without informational ones
  http::HeadError error() const { return error_; }    // of a head, where one broke it

 protected:
  ~Transcript() = default;

  struct Body {
    http::Framing framing = http::Framing::None;
    std::uint64_t length = 0;
    bool raw = false;            // what follows is no message
    bool informational = false;  // another head follows
  };
  // Parses `block` into `body` and appends its meaning to `text`.
  virtual http::HeadError take_head(std::string_view block, Body& body, std::string& text) = 0;
  static void tell(const http::Headers& headers, std::string& text);

 private:
  bool read_head(std::string_view& in);
  bool read_body(std::string_view& in);

  // More than the proxy takes: what it writes has fields of its own.
  static constexpr std::size_t kMaxHead = 1024 * 1024;

  State state_ = State::Between;
  http::HeadScanner scanner_;
  http::BodyReader body_;
  http::HeadError error_ = http::HeadError::None;
  std::string partial_;
  std::string text_;
  std::size_t body_at_ = 0;  // in text_
  std::size_t messages_ = 0;
};

class RequestTranscript final : public Transcript {
 public:
  explicit RequestTranscript(const http::RequestLimits& limits = {}) : limits_(limits) {}

  // Told of each head that was read, before its body.
  std::function<void(const http::RequestHead&)> on_head;

 private:
  http::HeadError take_head(std::string_view block, Body& body, std::string& text) override;
  http::RequestLimits limits_;
  http::RequestHead head_;
};

class ResponseTranscript final : public Transcript {
 public:
  // Asked what the next response answers; none: a plain GET.
  std::function<http::ResponseContext()> context;
  // Told of each head that was read, informational ones too.
  std::function<void(const http::ResponseHead&)> on_head;

 private:
  http::HeadError take_head(std::string_view block, Body& body, std::string& text) override;
  http::ResponseHead head_;
};

// Feeds `input` in pieces to `pieces`: it must come to what `whole`, fed all at once, came to.
void reads_the_same_in_pieces(std::string_view input, const Transcript& whole, Transcript& pieces);

}  // namespace outrigger::fuzz
