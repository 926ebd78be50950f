// The streams that a poll has found readable. They are read when it is over: those that bring
// answers first, then all others.
//
// A request runs through 53 KiB of code, more than the CPU's first cache holds, so that each event
// fetches its own anew when answers and requests come mixed. And of an idle connection it is known
// what it has said, or that it has closed, before a request of the same poll is given to it; an
// answer frees its connection and its place before the next request asks for one.
//
// A loop has one. Of what stands here nothing has been read: it may still be stopped or closed, and
// who is therefore left out is found again by a later poll.
#pragma once

#include <array>

namespace outrigger::net {

class Transport;

class ReadyStreams {
 public:
  static constexpr int kMax = 1024;  // as many events as libuv takes of the kernel at once

  bool full() const { return answers_end_ == others_end_; }
  // Not while it is full. The transport is alive until the turn ends, though it may be closed.
  void add(Transport& transport, bool answers) {
    *(answers ? answers_end_++ : --others_end_) = &transport;
  }
  // Gives each to `read`, in the order of add(). Nothing is added meanwhile.
  template <class Read>
  void take_all(Read read) {
    for (auto at = begin(); at != answers_end_;) read(**at++);
    for (auto at = end(); at != others_end_;) read(**--at);
    answers_end_ = begin();
    others_end_ = end();
  }

 private:
  Transport** begin() { return streams_.data(); }
  Transport** end() { return streams_.data() + kMax; }

  std::array<Transport*, kMax> streams_;  // answers from its begin on, others from its end back
  Transport** answers_end_ = begin();
  Transport** others_end_ = end();
};

}  // namespace outrigger::net
