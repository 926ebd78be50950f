// Objects that were used and wait to be used again, so that making one allocates nothing after
// warm-up. A bound, so that what a busy moment needed is given back after it.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace outrigger {

// Of one thread.
template <class Object, std::size_t kMaxSpare>
class Pool {
 public:
  // A spare one as it was kept, else a new one.
  template <class... Arguments>
  std::unique_ptr<Object> take(Arguments&&... arguments) {
    if (spare_.empty()) return std::make_unique<Object>(std::forward<Arguments>(arguments)...);
    auto object = std::move(spare_.back());
    spare_.pop_back();
    return object;
  }
  void keep(std::unique_ptr<Object> object) {
    if (spare_.size() < kMaxSpare) spare_.push_back(std::move(object));
  }

 private:
  std::vector<std::unique_ptr<Object>> spare_;
};

}  // namespace outrigger
