#include "proxy/net/write_batch.h"

#include <algorithm>
#include <utility>

#include "proxy/net/transport.h"

namespace outrigger::net {

WriteBatch::Slot WriteBatch::add(Transport& transport, std::span<const std::string_view> pieces,
                                 std::size_t size) {
  char* to = bytes_.get() + size_;
  for (const auto piece : pieces) to = std::copy(piece.begin(), piece.end(), to);
  writes_[count_] = {&transport, static_cast<std::uint32_t>(size_),
                     static_cast<std::uint32_t>(size)};
  size_ += size;
  return static_cast<Slot>(count_++);
}

std::string_view WriteBatch::take(Slot slot) {
  Write& write = writes_[slot];
  write.transport = nullptr;
  return {bytes_.get() + write.offset, write.size};
}

// Sending adds nothing here and calls no owner.
void WriteBatch::send() {
  for (std::size_t i = 0; i < count_; ++i) {
    if (writes_[i].transport != nullptr) writes_[i].transport->send_batched();
  }
  count_ = size_ = passed_ = 0;
}

}  // namespace outrigger::net
