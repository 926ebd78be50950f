// A value, or why there is none.
#pragma once

#include <utility>
#include <variant>

#include "proxy/base/check.h"

namespace outrigger {

template <class T, class E>
class [[nodiscard]] Result {
 public:
  Result(T value) : either_(std::in_place_index<0>, std::move(value)) {}
  Result(E error) : either_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return either_.index() == 0; }

  // Undefined (an INVARIANT) when there is no value, or no error.
  T& value() { return get<0>(*this); }
  const T& value() const { return get<0>(*this); }
  const E& error() const { return get<1>(*this); }

 private:
  template <int I, class Self>
  static auto& get(Self& self) {
    INVARIANT(self.either_.index() == I);
    return *std::get_if<I>(&self.either_);
  }

  std::variant<T, E> either_;
};

}  // namespace outrigger
