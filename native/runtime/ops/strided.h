// A result whose elements lie in the input at regular steps along each axis.
#pragma once

#include <algorithm>

#include "runtime/op.h"

namespace octavo {

struct Walk {
  std::int64_t begin;            // where the first element lies
  std::int64_t steps[kMaxRank];  // to the next along each axis of the result
};

// Elements from one to the next along an axis.
inline std::int64_t stride(const Tensor& tensor, std::int64_t axis) {
  std::int64_t found = 1;
  for (auto i = axis + 1; i < tensor.rank; ++i) found *= tensor.dims[i];
  return found;
}

template <class T>
void gather_strided(const T* from, const Walk& walk, const Tensor& result, T* to) {
  std::int64_t index[kMaxRank] = {}, at = walk.begin;
  // The last axis in one go where its elements lie side by side.
  const int last = result.rank - 1;
  const bool runs = last >= 0 && walk.steps[last] == 1;
  const std::int64_t length = runs ? result.dims[last] : 1;
  for (std::int64_t i = 0; i < result.count; i += length) {
    std::copy_n(from + at, length, to + i);
    for (int axis = runs ? last - 1 : last; axis >= 0; --axis) {
      at += walk.steps[axis];
      if (++index[axis] < result.dims[axis]) break;
      at -= walk.steps[axis] * result.dims[axis];
      index[axis] = 0;
    }
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
