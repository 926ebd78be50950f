// What is to leave in one write: own text (heads, chunk sizes) between body bytes that belong to
// somebody else, in order and without a copy of the latter.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "proxy/http/out_buffer.h"

namespace outrigger::http {

class Gather {
 public:
  static constexpr std::size_t kMaxPieces = 32;

  // Append own text here; it stands after what was added before.
  OutBuffer& text() { return text_; }

  // `bytes` stay valid until clear().
  void add(std::string_view bytes) {
    if (bytes.empty()) return;
    seal();
    pieces_[count_++] = {bytes.data(), 0, bytes.size()};
  }

  bool empty() const { return count_ == 0 && text_.size() == 0; }
  // No room for another add() with text on both sides: write and clear first.
  bool full() const { return count_ + 4 > kMaxPieces; }

  // In order; valid until the next call of anything here.
  std::span<const std::string_view> pieces() {
    seal();
    const std::string_view own = text_.view();
    for (std::size_t i = 0; i < count_; ++i) {
      const Piece& piece = pieces_[i];
      views_[i] = piece.data ? std::string_view(piece.data, piece.size)
                             : own.substr(piece.offset, piece.size);
    }
    return {views_.data(), count_};
  }

  void clear() {
    text_.clear();
    count_ = 0;
    sealed_ = 0;
  }

 private:
  struct Piece {
    const char* data = nullptr;  // null: own text at `offset`, which may move as it grows
    std::size_t offset = 0;
    std::size_t size = 0;
  };

  void seal() {
    if (text_.size() == sealed_) return;
    pieces_[count_++] = {nullptr, sealed_, text_.size() - sealed_};
    sealed_ = text_.size();
  }

  OutBuffer text_;
  std::array<Piece, kMaxPieces> pieces_{};
  std::array<std::string_view, kMaxPieces> views_{};
  std::size_t count_ = 0;
  std::size_t sealed_ = 0;
};

}  // namespace outrigger::http
