// Objects that were used and wait to be used again, so that making one allocates nothing after
// warm-up. trim(), now and then, gives back what a busy moment needed.
#pragma once

#include <algorithm>
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
    least_ = std::min(least_, spare_.size());
    return object;
  }
  void keep(std::unique_ptr<Object> object) {
    if (spare_.size() < kMaxSpare) spare_.push_back(std::move(object));
  }

  // Destroys the spare ones that were not needed since the last trim(); `most` of them stay.
  void trim(std::size_t most) {
    const std::size_t unused = std::min(least_, spare_.size());
    // Both ends of a use are at the back: what was not needed is in front.
    if (unused > most) {
      spare_.erase(spare_.begin(), spare_.begin() + static_cast<std::ptrdiff_t>(unused - most));
    }
    least_ = spare_.size();
  }
  std::size_t spare() const { return spare_.size(); }

 private:
  std::vector<std::unique_ptr<Object>> spare_;
  std::size_t least_ = 0;  // were spare since the last trim()
};

}  // namespace outrigger
