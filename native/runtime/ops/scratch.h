// Bump allocator over the scratch memory of a run; every piece starts at a cache line.
#pragma once

#include <cstddef>

#include "runtime/format.h"

namespace octavo {

class Scratch {
 public:
  explicit Scratch(std::byte* memory) : next_(memory) {}

  template <class T>
  T* take(std::size_t count) {
    auto* block = reinterpret_cast<T*>(next_);
    next_ += aligned(count * sizeof(T));
    return block;
  }
  std::byte* rest() const { return next_; }

 private:
  std::byte* next_;
};

}  // namespace octavo
