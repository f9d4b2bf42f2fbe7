// Strided copies: an output whose elements have constant strides in the input along each axis.
#pragma once

#include <algorithm>

#include "runtime/op.h"

namespace octavo {

struct Walk {
  std::int64_t begin;            // offset of the first element
  std::int64_t steps[kMaxRank];  // to the next along each axis of the result
};

// The stride of an axis, in elements.
inline std::int64_t stride(const Tensor& tensor, std::int64_t axis) {
  std::int64_t elements = 1;
  for (auto i = axis + 1; i < tensor.rank; ++i) elements *= tensor.dims[i];
  return elements;
}

// The axes of the iteration, contiguous ones merged, and the strides of the result along them.
class Path {
 public:
  Path(const Walk& walk, const Tensor& result) {
    for (int i = result.rank - 1; i >= 0; --i) add(result.dims[i], walk.steps[i]);
    if (rank_ == 0) add(1, 1);
    out_[0] = 1;
    for (int i = 1; i < rank_; ++i) out_[i] = out_[i - 1] * sizes_[i - 1];
  }

  // Axes from the innermost on.
  int rank() const { return rank_; }
  std::int64_t size(int i) const { return sizes_[i]; }
  std::int64_t step(int i) const { return steps_[i]; }
  std::int64_t out(int i) const { return out_[i]; }

  // The axis other than the innermost along which the input is contiguous; 0 if there is none.
  int neighbours() const {
    for (int i = 1; i < rank_ && steps_[0] != 1; ++i) {
      if (steps_[i] == 1) return i;
    }
    return 0;
  }

 private:
  void add(std::int64_t size, std::int64_t step) {
    if (size == 1 && rank_ > 0) return;
    if (rank_ > 0 && step == steps_[rank_ - 1] * sizes_[rank_ - 1] && sizes_[rank_ - 1] != 1) {
      sizes_[rank_ - 1] *= size;
      return;
    }
    if (rank_ > 0 && sizes_[rank_ - 1] == 1) --rank_;
    sizes_[rank_] = size;
    steps_[rank_++] = step;
  }

  int rank_ = 0;
  std::int64_t sizes_[kMaxRank], steps_[kMaxRank], out_[kMaxRank];
};

template <class T>
void gather_row(const T* from, std::int64_t step, std::int64_t count, T* to) {
  if (step == 1) {
    std::copy_n(from, count, to);
  } else if (step == 0) {
    std::fill_n(to, count, *from);
  } else {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i * step];
  }
}

// Copies the innermost axis and another, contiguous one in tiles that fit the L1 cache.
template <class T>
void gather_tiles(const T* from, const Path& path, int other, T* to) {
  constexpr std::int64_t kTile = 16;
  for (std::int64_t y = 0; y < path.size(other); y += kTile) {
    const std::int64_t high = std::min(y + kTile, path.size(other));
    for (std::int64_t x = 0; x < path.size(0); x += kTile) {
      const std::int64_t wide = std::min(x + kTile, path.size(0));
      for (std::int64_t i = y; i < high; ++i) {
        for (std::int64_t j = x; j < wide; ++j) to[i * path.out(other) + j] = from[i + j * path.step(0)];
      }
    }
  }
}

template <class T>
void gather_strided(const T* from, const Walk& walk, const Tensor& result, T* to) {
  const Path path(walk, result);
  const int other = path.neighbours();
  std::int64_t index[kMaxRank] = {};
  from += walk.begin;
  for (;;) {
    if (other != 0) {
      gather_tiles(from, path, other, to);
    } else {
      gather_row(from, path.step(0), path.size(0), to);
    }
    int axis = 1;
    for (; axis < path.rank(); ++axis) {
      if (axis == other) continue;
      from += path.step(axis);
      to += path.out(axis);
      if (++index[axis] < path.size(axis)) break;
      from -= path.step(axis) * path.size(axis);
      to -= path.out(axis) * path.size(axis);
      index[axis] = 0;
    }
    if (axis >= path.rank()) return;
  }
}

inline void gather_strided(const Call& call, const Walk& walk) {
  switch (size_of(call.in(0).dtype)) {
    case 1:
      return gather_strided(call.read<std::uint8_t>(0), walk, call.out(), call.write<std::uint8_t>());
    case 4:
      return gather_strided(call.read<std::uint32_t>(0), walk, call.out(), call.write<std::uint32_t>());
    default:
      return gather_strided(call.read<std::uint64_t>(0), walk, call.out(), call.write<std::uint64_t>());
  }
}

}  // namespace octavo
