// The baseline: a blind TCP relay. One upstream connection a caller, two reads and two writes an
// exchange, nothing parsed. What a proxy costs above it is what its thinking costs.
//
// relay PORT UPSTREAM_PORT…   (several upstreams take turns)

#include <memory>
#include <vector>

#include "tests/bench/sockets.h"

namespace bench {
namespace {

constexpr size_t kReadSize = 256 * 1024;

struct Pair;

struct Side {
  int fd = -1;
  Side* other = nullptr;
  Pair* pair = nullptr;
  std::string unsent;  // what `fd` would not take; until it does, `other` is not read
  bool ended = false;  // an EOF was read from it
  bool shut = false;   // an EOF was passed on to it
};

struct Pair {
  Side caller, upstream;
  bool dead = false;
};

class Relay {
 public:
  Relay(uint16_t port, std::vector<uint16_t> upstreams)
      : listener_(listen_on(port)), upstreams_(std::move(upstreams)), buffer_(kReadSize) {
    poller_.add(listener_, EPOLLIN, nullptr);
  }

  [[noreturn]] void run() {
    while (true) {
      for (const auto& event : poller_.wait()) {
        if (event.data.ptr == nullptr) {
          accept_all();
          continue;
        }
        auto& side = *static_cast<Side*>(event.data.ptr);
        if (!side.pair->dead && (event.events & EPOLLOUT) != 0) write_rest(side);
        if (!side.pair->dead && (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
          read_from(side);
      }
      // Only now, as both sides may have been in one turn.
      for (Pair* pair : dead_) delete pair;
      dead_.clear();
    }
  }

 private:
  void accept_all() {
    while (true) {
      const int fd = accept_from(listener_);
      if (fd < 0) return;
      const int upstream = connect_to(upstreams_[next_++ % upstreams_.size()]);
      if (upstream < 0) {
        close(fd);
        continue;
      }
      auto* pair = new Pair;
      pair->caller = {.fd = fd, .other = &pair->upstream, .pair = pair};
      pair->upstream = {.fd = upstream, .other = &pair->caller, .pair = pair};
      poller_.add(fd, EPOLLIN, &pair->caller);
      poller_.add(upstream, EPOLLIN, &pair->upstream);
    }
  }

  void read_from(Side& side) {
    if (side.ended || !side.other->unsent.empty()) return;
    const auto size = read(side.fd, buffer_.data(), buffer_.size());
    if (size < 0 && errno == EAGAIN) return;
    if (size < 0) return drop(*side.pair);
    if (size == 0) {
      side.ended = true;
      return pass_end(*side.other);
    }
    write_to(*side.other, {buffer_.data(), static_cast<size_t>(size)});
  }

  void write_to(Side& side, std::span<const char> data) {
    const auto sent = write(side.fd, data.data(), data.size());
    if (sent == static_cast<ssize_t>(data.size())) return;
    if (sent < 0 && errno != EAGAIN) return drop(*side.pair);
    side.unsent.append(data.begin() + (sent < 0 ? 0 : sent), data.end());
    watch(side);
  }

  void write_rest(Side& side) {
    const auto sent = write(side.fd, side.unsent.data(), side.unsent.size());
    if (sent < 0 && errno != EAGAIN) return drop(*side.pair);
    side.unsent.erase(0, sent < 0 ? 0 : static_cast<size_t>(sent));
    if (!side.unsent.empty()) return;
    watch(side);
    if (side.other->ended) pass_end(side);
  }

  void pass_end(Side& side) {
    if (!side.unsent.empty() || side.shut) return;
    side.shut = true;
    if (side.ended) return drop(*side.pair);
    shutdown(side.fd, SHUT_WR);
    watch(*side.other);
  }

  void watch(Side& side) {
    const bool reads = !side.ended && side.other->unsent.empty();
    poller_.change(side.fd, (reads ? EPOLLIN : 0U) | (side.unsent.empty() ? 0U : EPOLLOUT), &side);
    const bool other_reads = !side.other->ended && side.unsent.empty();
    poller_.change(side.other->fd,
                   (other_reads ? EPOLLIN : 0U) | (side.other->unsent.empty() ? 0U : EPOLLOUT),
                   side.other);
  }

  void drop(Pair& pair) {
    if (std::exchange(pair.dead, true)) return;
    close(pair.caller.fd);
    close(pair.upstream.fd);
    dead_.push_back(&pair);
  }

  Poller poller_;
  int listener_;
  std::vector<uint16_t> upstreams_;
  std::vector<char> buffer_;
  std::vector<Pair*> dead_;
  size_t next_ = 0;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("relay PORT UPSTREAM_PORT…\n", stderr);
    return 2;
  }
  std::vector<uint16_t> ports;
  for (int i = 1; i < argc; ++i) ports.push_back(static_cast<uint16_t>(std::atoi(argv[i])));
  bench::want_descriptors();
  bench::Relay{ports[0], {ports.begin() + 1, ports.end()}}.run();
}
