// libuv's asynchronous close, hidden: a handle lives in a block of the heap that is freed when
// libuv has let go of it, however early its owner went.
//
// A loop that ends finds its handles by itself, closes them and tells their owners. What it cannot
// find (requests that outlive their owners) hangs in it as a Dependent.
#pragma once

#include <uv.h>

#include "proxy/net/list.h"

namespace outrigger::net {

// Something of a loop that must know when the loop ends before its owner.
class Dependent : private ListNode {
 public:
  Dependent() = default;
  virtual ~Dependent() = default;

 private:
  friend class Loop;
  virtual void on_loop_end() = 0;
};

// Made with new and, once a libuv handle is in it, freed by close() alone.
class HandleBlock {
 public:
  HandleBlock(const HandleBlock&) = delete;
  HandleBlock& operator=(const HandleBlock&) = delete;
  virtual ~HandleBlock() = default;

  static HandleBlock& of(const uv_handle_t& handle) {
    return *static_cast<HandleBlock*>(handle.data);
  }

  // Frees the block as soon as libuv permits. The first call counts.
  void close() {
    if (uv_is_closing(handle_)) return;
    uv_close(handle_, [](uv_handle_t* handle) { delete &of(*handle); });
  }
  bool closing() const { return uv_is_closing(handle_) != 0; }

 protected:
  HandleBlock() = default;
  // `handle`, a part of the derived block, has been initialised.
  void hold(uv_handle_t& handle) {
    handle_ = &handle;
    handle_->data = this;
  }

 private:
  friend class Loop;
  // The loop is gone: the owner forgets the block.
  virtual void orphan() = 0;
  void on_loop_end() {
    orphan();
    close();
  }

  uv_handle_t* handle_ = nullptr;
};

// A block with one handle, and the way from the handle to its owner.
template <class UvHandle, class Owner>
class Handle : public HandleBlock {
 public:
  // Null after release().
  Owner* owner() const { return owner_; }
  UvHandle& native() { return native_; }
  static Handle& of(const UvHandle* handle) {
    return static_cast<Handle&>(*static_cast<HandleBlock*>(handle->data));
  }

  // The owner goes: no callback comes to it any more.
  void release() {
    owner_ = nullptr;
    close();
  }

 protected:
  explicit Handle(Owner& owner) : owner_(&owner) {}
  void hold() { HandleBlock::hold(*reinterpret_cast<uv_handle_t*>(&native_)); }
  void forget_owner() { owner_ = nullptr; }

 private:
  UvHandle native_{};
  Owner* owner_;
};

}  // namespace outrigger::net
