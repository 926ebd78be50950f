// What runs, or dies, after the current callback and before the loop polls again.
//
// Both exist so that no port calls back from inside the call that armed it, and so that an object
// may end itself in its own callback.
#pragma once

#include "proxy/net/list.h"

namespace outrigger::net {

// Given to Loop::defer(). May be destroyed at any time; it then no longer runs.
class Deferred : private ListNode {
 public:
  bool pending() const { return linked(); }
  void cancel_deferred() { unlink(); }

 protected:
  Deferred() = default;
  virtual ~Deferred() = default;

 private:
  friend class Loop;
  virtual void run_deferred() = 0;
};

// Given to Loop::retire().
class Retirable {
 public:
  Retirable() = default;
  Retirable(const Retirable&) = delete;
  Retirable& operator=(const Retirable&) = delete;
  virtual ~Retirable() = default;
};

}  // namespace outrigger::net
